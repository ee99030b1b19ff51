# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads of quality reports, byte by byte as their senders write them."""

from __future__ import annotations

# res_hep_rtcp packs 32-bit values as signed integers, NTP times and LSR as strings.
ASTERISK_SR = (
    b'{"ssrc":1814766290,"type":200,"report_count":1,"sender_information":{"ntp_timestamp_sec":'
    b'"3373905459","ntp_timestamp_usec":"4280379832","rtp_timestamp":-210833031,"packets":252,'
    b'"octets":40320},"report_blocks":[{"source_ssrc":-1640316609,"fraction_lost":64,'
    b'"packets_lost":3,"highest_seq_no":992,"ia_jitter":44,"lsr":"3373905459","dlsr":65536}]}'
)
ASTERISK_RR = (
    b'{"ssrc":1814766290,"type":201,"report_count":1,"sender_information":null,"report_blocks":['
    b'{"source_ssrc":7,"fraction_lost":0,"packets_lost":0,"highest_seq_no":993,"ia_jitter":0,'
    b'"lsr":"0","dlsr":0}]}'
)
RTPENGINE_SR = (
    b'{ "sender_information":{"ntp_timestamp_sec":3904502144,"ntp_timestamp_usec":2147483648,'
    b'"octets":240000,"rtp_timestamp":160000, "packets":1500},"ssrc":3298104112,"type":200,'
    b'"report_count":2,"report_blocks":[{"source_ssrc":2954871,"highest_seq_no":3001,'
    b'"fraction_lost":0,"ia_jitter":12,"packets_lost":0,"lsr":1170255872,"dlsr":131072},'
    b'{"source_ssrc":2954872,"highest_seq_no":3002,"fraction_lost":13,"ia_jitter":160,'
    b'"packets_lost":17,"lsr":0,"dlsr":0}],"sdes_report_count":1,"sdes_information": [ '
    b'{"sdes_chunk_ssrc":3298104112,"type":1,"text":"endpoint@192.0.2.1"} ] }'
)
# The cumulative loss is -1, printed as unsigned; the text of the source description has a quote.
CAPTAGENT_SR = (
    b'{ "sender_information":{"ntp_timestamp_sec":1,"ntp_timestamp_usec":2,"octets":80000,'
    b'"rtp_timestamp":3, "packets":500},"ssrc":10,"type":200, "report_blocks":[{"source_ssrc":20,'
    b'"highest_seq_no":30,"fraction_lost":0,"ia_jitter":4,\n"packets_lost":4294967295,"lsr":0,'
    b'"dlsr":0}],"report_count":1,"sdes_ssrc":10,"sdes_chunk_ssrc":10,"sdes_information": [ '
    b'{"type":1,"text":"a "quoted" name\xff"}],"sdes_report_count":1}'
)
_NO_XR = (
    b'"report_blocks_xr":{"type":0,"id":0,"fraction_lost":0,"fraction_discard":0,'
    b'"burst_density":0,"gap_density":0,"burst_duration":0,"gap_duration":0,'
    b'"round_trip_delay":0,"end_system_delay":0}'
)
HEPLIFY_SR = (
    b'{"sender_information":{"ntp_timestamp_sec":3904502144,"ntp_timestamp_usec":1,'
    b'"rtp_timestamp":2,"packets":10,"octets":1600},"ssrc":5,"type":202,"report_count":1,'
    b'"report_blocks":null,' + _NO_XR + b',"sdes_ssrc":5}'
)
HEPLIFY_XR = (
    b'{"sender_information":{"ntp_timestamp_sec":0,"ntp_timestamp_usec":0,"rtp_timestamp":0,'
    b'"packets":0,"octets":0},"ssrc":5,"type":207,"report_count":0,"report_blocks":[{'
    b'"source_ssrc":9,"fraction_lost":0,"packets_lost":0,"highest_seq_no":88,"ia_jitter":4,'
    b'"lsr":0,"dlsr":0}],"report_blocks_xr":{"type":7,"id":9,"fraction_lost":128,'
    b'"fraction_discard":32,"burst_density":64,"gap_density":0,"burst_duration":120,'
    b'"gap_duration":65535,"round_trip_delay":48,"end_system_delay":80},"sdes_ssrc":0}'
)
RTPAGENT = (
    b'{"CORRELATION_ID":"call-1","RTP_SIP_CALL_ID":"call-1","DELTA":19.983,"JITTER":0.017,'
    b'"REPORT_TS":1763856000.12,"TL_BYTE":241920,"SKEW":0.000,"TOTAL_PK":1512,"EXPECTED_PK":1600,'
    b'"PACKET_LOSS":88,"SEQ":0,"MAX_JITTER":0.010,"MAX_DELTA":20.024,"MAX_SKEW":0.172,'
    b'"MEAN_JITTER":0.005,"MIN_MOS":4.032, "MEAN_MOS":4.032, "MOS":4.032,"RFACTOR":80.200,'
    b'"MIN_RFACTOR":80.200,"MEAN_RFACTOR":80.200,"SRC_IP":"192.0.2.1", "SRC_PORT":26872,'
    b'"DST_IP":"198.51.100.2","DST_PORT":51354,"CODEC_PT":9, "CLOCK":8000,"DIR":0,'
    b'"TYPE":"PERIODIC"}'
)
HORACLIFIX = (
    b'{"NAME":"sbc-1","INC_REALM":"access","OUT_REALM":"core","INC_ID":"call-1",'
    b'"INC_RTP_BYTE":800000,"INC_RTP_PK":4950,"INC_RTP_PK_LOSS":50,"INC_RTP_AVG_JITTER":8,'
    b'"INC_RTP_MAX_JITTER":22,"INC_RTCP_BYTE":4000,"INC_RTCP_PK":50,"INC_RTCP_PK_LOSS":1,'
    b'"INC_RTCP_AVG_JITTER":6,"INC_RTCP_MAX_JITTER":15,"INC_RTCP_AVG_LAT":30,'
    b'"INC_RTCP_MAX_LAT":45,"INC_MOS":420,"INC_RVAL":8500,"CALLER_VLAN":0,"OUT_ID":"call-2",'
    b'"OUT_RTP_BYTE":790000,"OUT_RTP_PK":5000,"OUT_RTP_PK_LOSS":0,"OUT_RTP_AVG_JITTER":9,'
    b'"OUT_RTP_MAX_JITTER":25,"OUT_RTCP_AVG_LAT":32,"OUT_MOS":0,"OUT_RVAL":8300,'
    b'"MEDIA_TYPE":"audio"}'
)
VQ_TOKENS = b"NLR=0.5 JDR=1.25 IAJ=12 MOSLQ=4.1 MOSCQ=3.9"
VQ_SESSION_REPORT = (
    b"VQSessionReport: CallTerm\r\nCallID: call-1\r\nLocalID: <sip:alice@example.com>\r\n"
    b"RemoteID: <sip:bob@example.com>\r\nLocalAddr: IP=192.0.2.1 PORT=40000 SSRC=4209273062\r\n"
    b"RemoteAddr: IP=198.51.100.2 PORT=40002 SSRC=0x1a3b5c7d\r\nLocalMetrics:\r\n"
    b"Timestamps: START=2025-11-23T00:00:00Z STOP=2025-11-23T00:01:00Z\r\n"
    b"SessionDesc: PT=9 PPS=50 SSUP=off\r\nJitterBuffer: JBA=3 JBR=5 JBN=220 JBM=230 JBX=160\r\n"
    b"PacketLoss: NLR=5.0 JDR=2.0\r\nBurstGapLoss: BLD=25.0 BD=120 GLD=2.0 GD=500 GMIN=16\r\n"
    b"Delay: RTD=200 ESD=140 SOWD=170 IAJ=2 MAJ=10\r\nSignal: SL=-18 NL=-50 RERL=55\r\n"
    b"QualityEst: RLQ=90 RCQ=85 EXTRI=90 MOSLQ=4.2 MOSCQ=4.3 QoEEstAlg=P.564\r\n"
    b"RemoteMetrics:\r\nPacketLoss: NLR=0.0 JDR=0.0\r\nDelay: RTD=0 ESD=0 IAJ=1\r\n"
    b"QualityEst: MOSLQ=127 MOSCQ=12.7\r\nDialogID: call-1;to-tag=9F03;from-tag=270B\r\n"
)
