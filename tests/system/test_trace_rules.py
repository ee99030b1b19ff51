# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules from the web API to a real proxy: brought there, kept there, gone when they end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from collector import trace_rule
from collector.api_token import local_token
from stack.ports import free_port
from stack.service import ROOT
from stack.trial import Trial
from tests.answering import Answering
from tests.system.conversation import ANSWERS, as_seen, conversation
from tests.system.traced import PROXY_TOKEN, WHO, WITHIN_S, Proxy, Stack


@pytest.fixture(scope="module")
def one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared by the tests of this module; ``stack`` tidies it up."""
    directory = tmp_path_factory.mktemp("trace")
    proxy = Proxy(directory / "proxy")
    trial = Trial(
        directory / "stack",
        {
            "trace": {
                "proxies": [f"edge=http://127.0.0.1:{proxy.control_port}"],
                "token": PROXY_TOKEN,
                "request_timeout": 1.0,
            },
            "database": {"connect_timeout": 1.0},
        },
    )
    with proxy:
        try:
            trial.start_database()
            trial.start_webapi()
            with local_token(trial.settings, lifetime_s=3600) as authorization:
                yield Stack(trial, proxy, authorization)
        finally:
            trial.stop()


@pytest.fixture
def stack(one_stack: Stack) -> Iterator[Stack]:
    """A stack without rules."""
    one_stack.wait_ready()
    one_stack.proxy.forget_calls()
    yield one_stack
    for rule in one_stack.api.state()["trace_rules"]:
        one_stack.api.remove(rule["id"])
    one_stack.wait_ready()


def test_a_rule_is_in_force_when_the_answer_comes(stack: Stack) -> None:
    """Pushed at once, not at the next look; the items are as the proxy reads them."""
    made = stack.api.add("from_user", "4711", calls=5, duration="10m")
    assert made["in_force_on"] == ["edge"]
    items = stack.proxy.rules()
    assert items["from_user:4711"] == f"{made['id']};include;65536;5;INVITE"
    assert items["kinds"] == trace_rule.KINDS["from_user"]
    assert stack.api.remove(made["id"])["ended"] == "removed"
    assert stack.proxy.rules() == {}


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_a_restarted_proxy_has_its_rules_back_within_5_seconds(stack: Stack, how: str) -> None:
    """Rules, kinds, networks and the count of calls; measured from when it takes requests."""
    made = [stack.api.add("request_user", "4010"), stack.api.add("source", "198.51.100.0/24")]
    before = stack.proxy.rules()
    restarts = stack.api.proxy()["restarts"]
    if how == "restart":
        stack.proxy.stop()
    else:
        stack.proxy.kill()
    stack.wait(lambda: stack.api.proxy()["state"] == "unreachable", "the API to notice")
    assert stack.api.state()["trace_rules"][0]["in_force_on"] == []
    stack.proxy.start()
    stack.wait(
        lambda: stack.proxy.rules() == before,
        "the rules",
        timeout_s=WITHIN_S,
    )
    stack.wait_ready()
    state = stack.api.proxy()
    assert state["restarts"] == restarts + 1
    assert state["in_force"] == [rule["id"] for rule in made]


def test_expiry_works_without_the_api(stack: Stack) -> None:
    """The proxy itself ends a rule; an API that comes later writes it down."""
    made = stack.api.add("all", duration=5)
    assert stack.proxy.place() == ["INVITE", "404 INVITE", "ACK"]
    with stack.without_api():
        deadline = time.monotonic() + 7
        while time.monotonic() < deadline:
            time.sleep(0.2)
        assert stack.proxy.place() == []
        stack.wait(lambda: not stack.proxy.rules().get("all"), "the item to go", timeout_s=10)
    status, rule = stack.api.request("GET", f"/{made['id']}")
    assert (status, rule["ended"], rule["ended_at"]) == (200, "expired", made["expires_at"])


def test_a_rule_ends_by_itself(stack: Stack) -> None:
    """At its time, at the proxy and in the list; what it has traced is still shown."""
    made = stack.api.add("all", duration=2)
    assert len(stack.proxy.place()) == 3
    stack.wait(lambda: stack.api.state()["trace_rules"] == [], "the rule to end")
    stack.wait(lambda: stack.proxy.rules() == {}, "the items to go")
    assert stack.proxy.place() == []
    _, rule = stack.api.request("GET", f"/{made['id']}")
    assert (rule["ended"], rule["traced"]) == ("expired", {"edge": 1})


def test_a_rule_traces_as_many_calls_as_it_may(stack: Stack) -> None:
    """Counted by the proxy, shown by the API; a new rule begins anew."""
    made = stack.api.add("request_user", "4099", calls=2)
    assert [len(stack.proxy.place()) for _ in range(3)] == [3, 3, 0]
    stack.wait(lambda: stack.api.state()["trace_rules"][0]["traced"] == {"edge": 2}, "the count")
    stack.api.remove(made["id"])
    stack.api.add("request_user", "4099", calls=1)
    assert [len(stack.proxy.place()) for _ in range(2)] == [3, 0]


def test_an_exclude_wins(stack: Stack) -> None:
    """Everything but one number."""
    stack.api.add("all")
    stack.api.add("request_user", "4098", action="exclude")
    assert stack.proxy.place("4098") == []
    assert len(stack.proxy.place("4099")) == 3


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("missing", None),
        ("changed", "1;include;1;1;*"),
        ("changed", "1;include;65536;1000000;INVITE,REGISTER,OPTIONS,MESSAGE"),
        ("changed", 5),
    ],
)
def test_what_somebody_changes_on_the_proxy_is_mended(
    stack: Stack, what: str, value: str | int | None
) -> None:
    """Found, shown and put right, with its expiry."""
    stack.api.add("from_user", "4711", duration="1h")
    stack.wait_ready()
    before, drift = stack.proxy.rules(), stack.api.proxy()["drift"]
    stack.proxy.rpc("htable.delete", trace_rule.RULES, "from_user:4711")
    if value is not None:
        method = "htable.setxi" if isinstance(value, int) else "htable.setxs"
        stack.proxy.rpc(method, trace_rule.RULES, "from_user:4711", value, 9)
    stack.wait_drift(drift)
    assert stack.proxy.rules() == before
    expires = stack.proxy.rpc("htable.get", trace_rule.RULES, "from_user:4711")["item"]["expire"]
    left_s = time.mktime(time.strptime(expires, "%Y-%m-%d %H:%M:%S")) - time.time()
    assert 3500 < left_s <= 3601
    state = stack.api.proxy()
    assert (state["drift"], state["state"]) == (drift + 1, "ready")
    assert state["last_drift"][-1]["what"] == f"from_user:4711 was {what}"


def test_what_nobody_has_asked_for_is_removed(stack: Stack) -> None:
    """Rules by hand, of another database, and text that is no rule; kinds are put right."""
    stack.api.add("from_user", "4711")
    before, drift = stack.proxy.rules(), stack.api.proxy()["drift"]
    stack.proxy.put("all", "99999;include;65536;100;*")
    stack.proxy.put("from_user:4712", before["from_user:4711"])  # type: ignore[arg-type]
    stack.proxy.put('what"is\\this', "nothing")
    stack.proxy.set_kinds(4095)
    stack.wait_drift(drift)
    assert stack.proxy.rules() == before
    assert stack.api.proxy()["drift"] == drift + 4


def test_an_emptied_table_is_filled_again(stack: Stack) -> None:
    """Also when only the item without which the proxy looks no further is gone."""
    stack.api.add("from_user", "4711")
    before = stack.proxy.rules()
    stack.proxy.rpc("htable.delete", trace_rule.RULES, "kinds")
    stack.wait(lambda: stack.proxy.rules() == before, "kinds", timeout_s=WITHIN_S)


def test_a_running_call_is_caught_by_its_call_id(stack: Stack) -> None:
    """From now on to the end of the rule, in both directions; then siptrace is off again."""
    with conversation(stack.proxy) as call:
        invite = call.begin()
        assert stack.proxy.collector.messages() == []
        assert not stack.proxy.is_on()
        made = stack.api.add("call_id", call.call_id)
        assert made["in_force_on"] == ["edge"]
        call.answer(invite)
        seen = call.seen("<200 INVITE", ">ACK")
        assert as_seen(stack.proxy.collector.messages(len(seen))) == sorted(seen)
        stack.api.remove(made["id"])
        call.hang_up()
        assert stack.proxy.collector.messages() == []
    stack.wait(lambda: not stack.proxy.is_on(), "siptrace to go off")


def test_removing_a_rule_stops_its_running_calls(stack: Stack) -> None:
    """The next message of the call is not traced any longer, and siptrace goes off."""
    made = stack.api.add("request_user", ANSWERS)
    with conversation(stack.proxy) as call:
        call.answer(call.begin())
        assert len(stack.proxy.collector.messages()) > 5
        stack.api.remove(made["id"])
        call.hang_up()
        assert stack.proxy.collector.messages() == []
    stack.wait(lambda: not stack.proxy.is_on(), "siptrace to go off")
    stack.wait(lambda: stack.api.proxy()["calls_now"] == 0, "the API to see it")


def test_siptrace_left_on_goes_off(stack: Stack) -> None:
    """Somebody has switched it on by hand: no call is traced, and still every message costs."""
    stack.proxy.rpc("siptrace.status", "on")
    stack.wait(lambda: not stack.proxy.is_on(), "siptrace to go off")


def test_proxies_that_do_not_work_are_in_nobodys_way(stack: Stack) -> None:
    """One is away, one never answers, one answers anything: each has its state and its error, and
    the one that works has its rule before the answer comes."""
    with (
        Answering(b"") as slow,
        Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as garbage,
        Answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65_536, forever=True) as endless,
        Answering(b"SSH-2.0-OpenSSH_9.2\r\n") as other,
    ):
        proxies = {
            "edge": stack.proxy.control_port,
            "away": free_port(),
            "slow": slow.port,
            "garbage": garbage.port,
            "endless": endless.port,
            "other": other.port,
        }
        names = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in proxies.items())
        with stack.second_api(TRACE_PROXIES=names) as api:
            made = api.add("from_user", "4711")
            assert made["in_force_on"] == ["edge"]
            stack.wait(lambda: api.proxy("endless")["state"] == "garbage", "all states")
            states = {
                one["name"]: (one["state"], one["last_error"]) for one in api.state()["proxies"]
            }
    assert states["edge"] == ("ready", None)
    assert states["away"][0] == "unreachable"
    assert states["slow"] == ("unreachable", "no answer within 1 s (trace.request_timeout)")
    assert states["garbage"] == ("garbage", "200: no answer of JSON-RPC: hello")
    assert states["endless"] == ("garbage", "an answer has more than 4194304 bytes")
    assert states["other"][0] == "unreachable"


def test_a_wrong_token_is_said_clearly(stack: Stack) -> None:
    """Nothing is changed on the proxy, and the state says what to do."""
    with stack.second_api(TRACE_TOKEN="another-token-than-there") as api:
        made = api.add("from_user", "4711")
        assert made["in_force_on"] == []
        (state,) = made["proxies"]
    assert state["state"] == "refused"
    assert state["last_error"].startswith("401: ")
    assert "TRACE_TOKEN" in state["last_error"]
    stack.wait(lambda: "from_user:4711" in stack.proxy.rules(), "the other API to bring the rule")


def test_two_apis_do_each_other_no_harm(stack: Stack) -> None:
    """Both may make and remove rules; neither takes the other's for drift or undoes it."""
    drift = stack.api.proxy()["drift"]
    with stack.second_api() as second:
        both = (stack.api, second)

        def agree() -> bool:
            return all(api.proxy()["in_force"] == made for api in both)

        made = [both[n % 2].add("from_user", f"{n}")["id"] for n in range(10)]
        made += [both[n % 2].add("source", f"192.0.2.{n}")["id"] for n in range(6)]
        for n in range(0, 16, 3):
            both[n % 2].remove(made.pop(n - n // 3))
        stack.wait(agree, "both to agree", timeout_s=WITHIN_S)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert agree()
            time.sleep(0.2)
        assert second.proxy()["drift"] == 0
        found = stack.proxy.rules()
    assert stack.api.proxy()["drift"] == drift
    ids = [str(value).partition(";")[0] for name, value in found.items() if ":" in name]
    assert sorted(map(int, ids)) == made


def test_without_postgresql_the_proxies_keep_their_rules(stack: Stack) -> None:
    """The state says so, new rules are refused, a restarted proxy gets what is known."""
    made = stack.api.add("from_user", "4711")
    before = stack.proxy.rules()
    stack.trial.cluster.stop()
    try:
        stack.wait(lambda: not stack.api.state()["database"]["reachable"], "the API to notice")
        state = stack.api.state()
        assert state["complete"] is False
        assert [rule["id"] for rule in state["trace_rules"]] == [made["id"]]
        status, answer = stack.api.request("POST", "", {"kind": "all", **WHO})
        assert (status, answer["error"]["code"]) == (503, "database_unavailable")
        assert stack.proxy.rules() == before
        stack.proxy.kill()
        stack.proxy.start()
        stack.wait(lambda: stack.proxy.rules() == before, "the rules", timeout_s=10)
        # Nobody can say whether this is a rule that was made meanwhile.
        stack.proxy.put("all", "99999;include;65536;100;*")
        time.sleep(3)
        assert stack.proxy.rules().get("all")
    finally:
        stack.trial.start_database()
    stack.wait(lambda: stack.api.state()["database"]["reachable"], "the API to recover")
    stack.wait(lambda: stack.proxy.rules() == before, "the rules", timeout_s=10)


def test_the_shell_command(stack: Stack) -> None:
    """Adds, lists, removes; says where; the exit status is for scripts."""

    def trace(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "webapi", "trace", *arguments],
            cwd=ROOT,
            env=stack.trial.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    added = trace("add", "to_prefix", "+49", "--reason", "a test", "--by", "carla", "--for", "10m")
    assert added.returncode == 0, added.stderr
    assert "  edge: done" in added.stdout.splitlines()
    (rule,) = stack.api.state()["trace_rules"]
    assert (rule["requested_by"], rule["reason"], rule["value"]) == ("carla", "a test", "+49")
    listed = trace("list")
    assert listed.returncode == 0
    head, line = listed.stdout.splitlines()
    assert head.split()[:3] == ["id", "kind", "value"]
    assert line.split()[:3] == [str(rule["id"]), "to_prefix", "+49"]
    assert json.loads(trace("show", str(rule["id"])).stdout)["reason"] == "a test"
    assert trace("status").returncode == 0
    again = trace("add", "to_prefix", "+49", "--reason", "a test")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"409: rule {rule['id']} (include) has this kind and value")
    nobody = dict.fromkeys(("KEMISCOPE_DATABASE_DSN", "KEMISCOPE_DATABASE_READER_DSN"), "")
    refused = trace("remove", str(rule["id"]), **nobody)
    assert (refused.returncode, refused.stderr[:4]) == (1, "401:")
    assert trace("remove", str(rule["id"])).returncode == 0
    assert stack.api.state()["trace_rules"] == []
    assert trace("add", "colour", "red", "--reason", "x").returncode == 2
    away = trace("list", KEMISCOPE_WEB_LISTEN=f"127.0.0.1:{free_port()}")
    assert away.returncode == 1
    assert "does not answer" in away.stderr
    stack.proxy.stop()
    try:
        late = trace("add", "all", "--reason", "x")
        assert late.returncode == 3
        assert "  edge: not yet, unreachable: " in late.stdout
        assert trace("status").returncode == 3
    finally:
        stack.proxy.start()
