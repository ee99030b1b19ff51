-- The secondary indexes of sipcapture's documented schema: what HOMER 5 searches by.

CREATE INDEX ON sip_capture (date);
CREATE INDEX ON sip_capture (callid);
CREATE INDEX ON sip_capture (callid_aleg);
CREATE INDEX ON sip_capture (ruri_user);
CREATE INDEX ON sip_capture (from_user);
CREATE INDEX ON sip_capture (to_user);
CREATE INDEX ON sip_capture (pid_user);
CREATE INDEX ON sip_capture (auth_user);
