"""An alert is told once to each channel, to none too often, and to a channel that was down when it is back."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from tests.postgres.served import DAY, NOW, Served
from tests.postgres.sinks import Http, Smtp, answering, certificate, http, smtp

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.alerts import Reviewed
from mlops.domain.signature import sign
from mlops.errors import BadInput, Refused
from mlops.files import write_whole
from mlops.monitoring.alerting import channels as alert_channels
from mlops.monitoring.alerting.alerts import deliver_alerts, review_alerts, send_test
from mlops.policy import AlertPolicy, Channel, read_policy
from mlops.project import POLICY, policy_file

RULES = read_policy(policy_file()).alerts
CHAMPION = "models:/demand@champion"
SECRET = "s3cret"
DELIVERERS = """
import os, sys
from pathlib import Path

from mlops.config import Settings
from mlops.db import Database
from mlops.policy import read_policy
from mlops.monitoring.alerting.alerts import deliver_alerts

def start():
    child = os.fork()
    if not child:
        deliver_alerts(Database(sys.argv[1]), Settings(), read_policy(Path(sys.argv[2])).alerts)
        os._exit(0)
    return child

first = start()
print(first, flush=True)
os.waitpid(first, 0)
sys.exit(any([os.waitpid(child, 0)[1] for child in [start(), start()]]))
"""


@pytest.fixture
def database(served_database: Database) -> Database:
    return served_database


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, alert_webhook_secret=SecretStr(SECRET))


@pytest.fixture
def hook() -> Iterator[Http]:
    with http() as sink:
        yield sink


@pytest.fixture
def post() -> Iterator[Smtp]:
    with smtp() as sink:
        yield sink


def channel(kind: str, *, name: str = "", severity: str = "warning", **options: Any) -> Channel:
    return Channel(name or kind, kind, severity, 7.0, options)


def to(*channels: Channel) -> AlertPolicy:
    return replace(RULES, channels=channels)


def webhook(sink: Http, **options: Any) -> Channel:
    return channel("webhook", url=sink.url, **options)


def mail(sink: Smtp, **options: Any) -> Channel:
    usual = {"host": "localhost", "port": sink.port, "security": "none", "from": "m@x.org", "to": ["ann@x.org"]}
    return channel("email", **usual | options)


def alert(served: Served, kind: str = "health_low", severity: str = "warning", subject: str = CHAMPION) -> int:
    return served.one(
        "insert into analytics.alerts (kind, subject, severity, message, todo) values (%s, %s, %s, 'it is bad', 'act')"
        " returning alert_id",
        kind,
        subject,
        severity,
    )


def resolve(served: Served) -> None:
    served.one("update analytics.alerts set resolved_at = clock_timestamp() where resolved_at is null")


def back(served: Served, days: float) -> None:
    """Let so many days go by."""
    for column in ("queued_at", "due_at", "sent_at"):
        served.one(
            f"update analytics.alert_deliveries set {column} = {column} - make_interval(secs => %s)", days * 86400
        )


def events(sink: Http) -> list[str]:
    return [json.loads(body)["event"] for _, body in sink.taken]


# Which alerts monitoring opens


def kinds(served: Served, database: Database, **limits: float) -> tuple[list[str], list[str]]:
    found = review_alerts(database, NOW, replace(RULES, limits=dict(RULES.limits) | limits))
    return [one.kind for one in found.opened], [one.kind for one in found.resolved]


def test_a_healthy_champion_has_no_alert(served: Served, database: Database):
    served.healthy()
    assert kinds(served, database) == ([], [])


@pytest.mark.parametrize(
    ("action", "severity", "todo"),
    [
        ("retrain", "warning", "mlops retrain {}; the reasons are in mlops review"),
        ("rollback", "critical", "mlops retrain {}, which rolls back; the reasons are in mlops review"),
        ("investigate_data", "warning", "look at the data before anything is retrained: mlops review"),
    ],
)
def test_a_recommendation_is_an_alert_until_somebody_decided(
    served: Served, database: Database, action: str, severity: str, todo: str
):
    version = served.model()
    served.forecasts(version, served.series())
    number = served.check(version, action)
    (found,) = review_alerts(database, NOW, RULES).opened
    assert (found.kind, found.subject, found.severity) == (f"{action}_recommended", CHAMPION, severity)
    assert (found.message, found.todo) == ("version 1: the error doubled", todo.format(number))
    assert served.one("select owner from analytics.alerts") == "data science", "as its recipe says"
    assert kinds(served, database) == ([], [])
    served.one("update analytics.retraining_recommendations set status = 'done', decided_at = now()")
    assert kinds(served, database) == ([], [f"{action}_recommended"])


def test_the_alerts_of_an_earlier_time_are_those_that_stood_then_and_a_look_at_them_changes_nothing(
    served: Served, database: Database
):
    version = served.model()
    served.forecasts(version, served.series())
    served.check(version, "retrain", at=NOW - 7 * DAY)
    assert review_alerts(database, NOW - 7 * DAY, RULES).opened[0].kind == "retrain_recommended"
    served.one("update analytics.retraining_recommendations set status = 'superseded'")
    served.check(version)
    assert kinds(served, database) == ([], ["retrain_recommended"])
    assert review_alerts(database, NOW - 7 * DAY, RULES) == Reviewed((), ())
    with database.transaction() as transaction:
        asked = {"document": RULES.document, "everything": False}
        then, now = (transaction.rows("list_alerts", as_of=at, **asked) for at in (NOW - 7 * DAY, NOW))
        told = transaction.rows("open_alerts", as_of=NOW - 7 * DAY, document=RULES.document)
    assert [(one["kind"], one["since"]) for one in then] == [("retrain_recommended", NOW - 7 * DAY)]
    assert [one["kind"] for one in told] == ["retrain_recommended"]
    assert now == []


def test_a_recommendation_whose_proof_is_too_old_says_so_instead_of_a_command_that_is_refused(
    served: Served, database: Database
):
    version = served.model()
    served.forecasts(version, served.series())
    number = served.check(version, "retrain")
    todo = "select todo from analytics.alerts where kind = 'retrain_recommended'"
    assert kinds(served, database) == (["retrain_recommended"], [])
    assert served.one(todo).startswith(f"mlops retrain {number}")
    served.one("update analytics.retraining_recommendations set expires_at = %s", NOW + DAY)
    assert kinds(served, database) == ([], [])
    review_alerts(database, NOW + 2 * DAY, RULES)
    assert served.one(todo) == "mlops monitor run, for the proof is too old to act on"


def test_a_recommendation_for_a_version_that_is_champion_no_more_is_over(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series())
    served.check(version, "retrain")
    assert kinds(served, database)[0] == ["retrain_recommended"]
    served.one("update analytics.model_aliases set valid_to = now()")
    assert kinds(served, database) == ([], ["retrain_recommended"])


def test_low_health_is_an_alert_and_stays_one_while_health_is_unknown(served: Served, database: Database):
    version = served.healthy()
    served.one("update analytics.model_versions set metrics = '{\"wape\": 0.04}'")
    (found,) = review_alerts(database, NOW, RULES).opened
    assert (found.kind, found.severity) == ("health_low", "warning")
    assert found.message == (
        "version 1: health is 40 of 100; accuracy: the WAPE of the freshest forecasts is 2.50 times the backtest's"
    )
    served.one("update analytics.model_versions set metrics = '{}' where version_id = %s", version)
    assert kinds(served, database) == ([], [])
    served.one("update analytics.model_versions set metrics = '{\"wape\": 0.1}' where version_id = %s", version)
    assert kinds(served, database) == ([], ["health_low"])


def test_a_check_that_is_overdue_is_an_alert(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series())
    served.check(version, at=NOW - 9 * DAY)
    (found,) = review_alerts(database, NOW, RULES).opened
    assert (found.kind, found.message) == ("monitor_overdue", "version 1 was last checked 9 days ago")
    served.check(version)
    assert kinds(served, database) == ([], ["monitor_overdue"])


def test_outcomes_that_stay_away_are_an_alert_when_all_of_them_do(served: Served, database: Database):
    version = served.model()
    series = served.series()
    served.forecasts(version, series, labelled_until=NOW - 16 * DAY)
    served.check(version)
    found = {one.kind: one for one in review_alerts(database, NOW, RULES).opened}
    assert found.keys() == {"labels_missing"}
    assert (
        found["labels_missing"].message
        == "version 1: no outcome is known for the last 14 days; forecasts wait since 2024-05-18 00:00 UTC"
    )
    assert kinds(served, database, labels_missing_days=20) == ([], ["labels_missing"])


def test_forecasts_that_end_are_a_critical_alert(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series(), until=NOW - 3 * DAY)
    served.check(version)
    (found,) = review_alerts(database, NOW, RULES).opened
    assert (found.kind, found.severity) == ("forecasts_missing", "critical")
    assert found.message == "version 1: no forecasts since 2024-05-31 00:00 UTC"


def test_an_owner_is_that_of_the_recipe_else_of_the_policy_by_name_else_the_default(served: Served, database: Database):
    for name, lineage in (("a@b", None), ("other", None), ("demand", '{"recipe": {"owner": "ann"}}')):
        served.model(name, lineage=lineage)
    review_alerts(database, NOW, replace(RULES, owners={"a@b": "bob", "demand": "bob", "default": "ops"}))
    owners = "select jsonb_object_agg(subject, owner) from analytics.alerts where kind = 'forecasts_missing'"
    assert served.one(owners) == {
        "models:/a@b@champion": "bob",
        "models:/other@champion": "ops",
        "models:/demand@champion": "ann",
    }


def test_two_reviews_at_once_open_an_alert_once_and_a_quiet_one_writes_nothing(served: Served, database: Database):
    served.model()
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: review_alerts(database, NOW, RULES), range(2)))
    assert sorted(len(one.opened) for one in found) == [0, 1]
    before = served.one("select array_agg(xmin::text) from analytics.alerts")
    review_alerts(database, NOW, RULES)
    assert served.one("select array_agg(xmin::text) from analytics.alerts") == before


def test_alerts_of_the_registry_are_left_alone(served: Served, database: Database):
    alert(served, "run_gone")
    assert kinds(served, database) == ([], [])
    assert served.one("select count(*) from analytics.alerts where resolved_at is null") == 1


# Who is told, and how often


def test_an_alert_is_told_once_reminded_of_and_resolved_once_then_there_is_silence(
    served: Served, database: Database, place: Settings, hook: Http
):
    rules = to(webhook(hook))
    alert(served)
    for _ in range(2):
        deliver_alerts(database, place, rules)
    assert events(hook) == ["opened"]
    back(served, 6.9)
    deliver_alerts(database, place, rules)
    assert events(hook) == ["opened"]
    back(served, 0.2)
    deliver_alerts(database, place, rules)
    back(served, 7.1)
    deliver_alerts(database, place, rules)
    assert events(hook) == ["opened", "reminder", "reminder"]
    resolve(served)
    for _ in range(2):
        back(served, 30)
        assert deliver_alerts(database, place, rules)[0].waiting == 0
    assert events(hook) == ["opened", "reminder", "reminder", "resolved"]
    assert len({headers["idempotency-key"] for headers, _ in hook.taken}) == 4
    alert(served)
    deliver_alerts(database, place, rules)
    assert events(hook)[4:] == ["opened"], "what comes back is told again"


def test_a_channel_is_told_of_its_severity_and_of_what_becomes_so(
    served: Served, database: Database, place: Settings, hook: Http
):
    rules = to(webhook(hook, severity="critical"))
    alert(served)
    alert(served, "run_gone", "critical")
    deliver_alerts(database, place, rules)
    assert [json.loads(body)["kind"] for _, body in hook.taken] == ["run_gone"]
    served.one("update analytics.alerts set severity = 'critical'")
    deliver_alerts(database, place, rules)
    assert [json.loads(body)["kind"] for _, body in hook.taken] == ["run_gone", "health_low"]
    resolve(served)
    deliver_alerts(database, place, rules)
    assert events(hook)[2:] == ["resolved", "resolved"]


def test_many_deliverers_at_once_send_every_message_once(
    served: Served, database: Database, place: Settings, hook: Http, tmp_path: Path
):
    rules = to(webhook(hook), channel("file", path="alerts.jsonl"))
    hook.seconds = 0.02
    for number in range(12):
        alert(served, subject=f"models:/m{number}@champion")
    processes = [Database(database.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: deliver_alerts(one, place, rules), processes))
    for one in processes:
        one.close()
    keys = [headers["idempotency-key"] for headers, _ in hook.taken]
    assert len(keys) == len(set(keys)) == 12
    assert sum(one.sent for channels in found for one in channels) == 24
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 12


def test_a_channel_that_is_down_loses_nothing_and_stops_no_other(
    served: Served, database: Database, place: Settings, hook: Http
):
    hook.status = 503
    rules = to(webhook(hook), channel("file", path="a/alerts.jsonl"))
    for number in range(3):
        alert(served, subject=f"models:/m{number}@champion")
    down, file = deliver_alerts(database, place, rules)
    assert (down.sent, down.waiting, down.problem) == (0, 3, "127.0.0.1 answered 503")
    assert (file.sent, file.waiting) == (3, 0)
    assert len(hook.taken) == 2, "after two refusals it is left alone"
    hook.status = 204
    assert deliver_alerts(database, place, rules)[0].sent == 1, "what was refused waits a minute"
    back(served, 1 / 24)
    down, file = deliver_alerts(database, place, rules)
    assert (down.sent, down.waiting, file.sent) == (2, 0, 0)
    refused, taken = hook.taken[:2], hook.taken[2:]
    assert {headers["webhook-id"] for headers, _ in refused} < {headers["webhook-id"] for headers, _ in taken}
    assert len({headers["webhook-id"] for headers, _ in taken}) == len(taken) == 3


def test_each_failure_waits_longer_up_to_six_hours(served: Served, database: Database, place: Settings, hook: Http):
    hook.status = 500
    alert(served)
    waits = []
    for _ in range(11):
        deliver_alerts(database, place, to(webhook(hook)))
        waits.append(
            served.one("select date_part('epoch', due_at - clock_timestamp()) from analytics.alert_deliveries")
        )
        back(served, 1)
    assert [round(wait / 60) for wait in waits] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]


def test_what_was_resolved_before_it_could_be_sent_is_told_in_one_message(
    served: Served, database: Database, place: Settings, hook: Http
):
    hook.status = 500
    alert(served)
    deliver_alerts(database, place, to(webhook(hook)))
    resolve(served)
    hook.status, hook.taken = 204, []
    for _ in range(3):
        back(served, 8)
        deliver_alerts(database, place, to(webhook(hook)))
    document = json.loads(hook.taken[0][1])
    assert len(hook.taken) == 1
    assert (document["event"], document["resolved_at"] is None) == ("opened", False)


def test_a_process_that_is_killed_while_it_sends_doubles_one_message_and_two_others_send_the_rest_once(
    served: Served, database: Database, hook: Http, tmp_path: Path
):
    (tmp_path / "policy.toml").write_text(f'[alerts.channels.ops]\nkind = "webhook"\nurl = "{hook.url}"\n')
    for number in range(9):
        alert(served, subject=f"models:/m{number}@champion")
    hook.seconds = 60
    command = [sys.executable, "-c", DELIVERERS, database.url, str(tmp_path / "policy.toml")]
    environment = os.environ | {"MLOPS_HOME": str(tmp_path), "MLOPS_ALERT_WEBHOOK_SECRET": SECRET}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as processes:
        first = int(processes.stdout.readline())
        while not hook.taken:
            time.sleep(0.01)
        hook.seconds = 0.02
        os.kill(first, signal.SIGKILL)
    assert processes.returncode == 0
    sent = Counter(headers["idempotency-key"] for headers, _ in hook.taken)
    assert sorted(sent.values()) == [*[1] * 8, 2], "the one that was under way has the same key"
    assert served.one("select count(*) from analytics.alert_deliveries where sent_at is null") == 0


# The channels


def test_a_webhook_is_signed_over_key_time_and_body(served: Served, database: Database, place: Settings, hook: Http):
    alert(served)
    deliver_alerts(database, place, to(webhook(hook)))
    headers, body = hook.taken[0]
    signed = sign(SECRET, headers["webhook-id"], headers["webhook-timestamp"], body)
    assert headers["webhook-signature"] == signed
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert document["key"] == headers["webhook-id"]
    assert (document["subject"], document["owner"], document["todo"]) == (CHAMPION, "operations", "act")


@pytest.mark.parametrize("status", [302, 307, 400, 401, 500])
def test_any_other_answer_than_a_good_one_is_a_refusal_that_does_not_tell_the_address(
    place: Settings, hook: Http, status: int
):
    hook.status = status
    with pytest.raises(Refused, match=rf"127\.0\.0\.1 answered {status}") as refused:
        send_test(place, "webhook", to(webhook(hook)))
    assert "s3cret" not in str(refused.value)
    assert len(hook.taken) == 1, "a redirect is not followed"


def test_a_server_that_does_not_answer_is_given_up(place: Settings, hook: Http, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alert_channels, "SECONDS", 0.1)
    hook.seconds = 0.5
    with pytest.raises(Refused, match=r"127\.0\.0\.1 (did not answer|can't be reached)"):
        send_test(place, "webhook", to(webhook(hook)))


def test_a_webhook_is_posted_to_a_server_whose_certificate_is_trusted_and_to_no_other(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with http(certificate(tmp_path / "here.pem")) as hook:
        with pytest.raises(Refused, match=r"127\.0\.0\.1 can't be reached: .*certificate") as refused:
            send_test(place, "webhook", to(webhook(hook)))
        assert hook.taken == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "here.pem"))
        send_test(place, "webhook", to(webhook(hook)))
    assert events(hook) == ["test"]
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 204 " + b"x" * 70_000])
def test_a_server_that_answers_no_http_has_not_taken_it(place: Settings, answer: bytes):
    with answering(answer) as port, pytest.raises(Refused, match=r"127\.0\.0\.1 (did not answer|can't be reached): "):
        send_test(place, "webhook", to(channel("webhook", url=f"http://127.0.0.1:{port}/s3cret")))


def test_a_webhook_without_a_secret_or_a_server_is_refused(place: Settings, hook: Http):
    with pytest.raises(Refused, match="MLOPS_ALERT_WEBHOOK_SECRET"):
        send_test(Settings(home=place.home), "webhook", to(webhook(hook)))
    with pytest.raises(Refused, match="MLOPS_ALERT_WEBHOOK_URL"):
        send_test(place, "webhook", to(channel("webhook")))
    with pytest.raises(Refused, match=r"127\.0\.0\.1 can't be reached"):
        send_test(place, "webhook", to(channel("webhook", url="http://127.0.0.1:1/")))
    hidden = place.model_copy(update={"alert_webhook_url": SecretStr(hook.url)})
    send_test(hidden, "webhook", to(channel("webhook")))
    assert events(hook) == ["test"]


def test_mail_names_what_is_wrong_and_what_to_do(served: Served, database: Database, place: Settings, post: Smtp):
    alert(served, severity="critical", subject="models:/Müll\nBcc: eve@x.org@champion")
    deliver_alerts(database, place, to(mail(post)))
    (found,) = post.taken
    assert found["Subject"] == "[critical] models:/Müll Bcc: eve@x.org@champion health low"
    assert (found["To"], found["Bcc"], found["Auto-Submitted"]) == ("ann@x.org", None, "auto-generated")
    assert found["Message-ID"].startswith("<mlops-")
    assert "what to do: act\nwho answers for it: operations" in found.get_content().replace("\r\n", "\n")


def test_a_mail_server_that_refuses_keeps_the_message_waiting(
    served: Served, database: Database, place: Settings, post: Smtp
):
    alert(served)
    post.greeting = "554 not today"
    (found,) = deliver_alerts(database, place, to(mail(post)))
    assert (found.sent, found.waiting, found.problem) == (0, 1, "localhost answered 554")
    post.greeting = "220 ready"
    with pytest.raises(Refused, match=r"takes no mail for nobody@x\.org"):
        send_test(place, "email", to(mail(post, to=["nobody@x.org"])))
    back(served, 1)
    (found,) = deliver_alerts(database, place, to(mail(post, to=["nobody@x.org", "ann@x.org"])))
    assert (found.sent, found.waiting) == (1, 0), "who can be reached is told"
    assert "nobody@x.org" in served.one("select problem from analytics.alert_deliveries")


def test_mail_goes_by_tls_and_only_then_with_the_password(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = place.model_copy(update={"smtp_user": "ann", "smtp_password": SecretStr("hunter2")})
    with smtp(certificate(tmp_path / "localhost.pem")) as sink:
        with pytest.raises(Refused, match=r"can't be reached: .*certificate"):
            send_test(known, "email", to(mail(sink, security="starttls")))
        with pytest.raises(Refused, match="not sent without TLS") as refused:
            send_test(known, "email", to(mail(sink)))
        assert not any(line.startswith("AUTH") for line in sink.commands)
        monkeypatch.setenv("SSL_CERT_FILE", str(sink.certificate))
        send_test(known, "email", to(mail(sink, security="starttls")))
        assert len(sink.taken) == 1
        assert sink.commands.index("STARTTLS") < [line[:4] for line in sink.commands].index("AUTH")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("security", ["ssl", "starttls"])
def test_a_mail_server_has_to_show_a_certificate_for_its_name(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
):
    for name, trusted in (("elsewhere.org", True), ("localhost", False)):
        with smtp(certificate(tmp_path / f"{name}.pem", name), implicit=security == "ssl") as sink:
            monkeypatch.setenv("SSL_CERT_FILE", str(sink.certificate) if trusted else os.devnull)
            with pytest.raises(Refused, match=r"localhost can't be reached: .*certificate"):
                send_test(place, "email", to(mail(sink, security=security)))
            assert sink.taken == []


def test_mail_goes_by_tls_from_the_first_byte_on_and_a_refused_login_is_told(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = place.model_copy(update={"smtp_user": "ann", "smtp_password": SecretStr("hunter2")})
    with smtp(certificate(tmp_path / "localhost.pem"), implicit=True) as sink:
        monkeypatch.setenv("SSL_CERT_FILE", str(sink.certificate))
        send_test(known, "email", to(mail(sink, security="ssl")))
        assert (len(sink.taken), "STARTTLS" in sink.commands) == (1, False)
        sink.login = "535 hunter2 is wrong"
        with pytest.raises(Refused, match="localhost answered 535") as refused:
            send_test(known, "email", to(mail(sink, security="ssl")))
    assert "hunter2" not in str(refused.value)


def test_a_server_without_starttls_is_not_talked_to_in_the_clear(place: Settings, post: Smtp):
    with pytest.raises(Refused, match="STARTTLS"):
        send_test(place, "email", to(mail(post, security="starttls")))
    assert post.taken == []


def test_the_log_has_the_alert(served: Served, database: Database, place: Settings, caplog: pytest.LogCaptureFixture):
    alert(served, severity="critical")
    deliver_alerts(database, place, to(channel("log")))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"[critical] {CHAMPION} health low: it is bad; since 2")


# The policy


MAIL = 'kind = "email"\nhost = "h"\nfrom = "a@x.org"\nto = ["b@x.org"]\n'


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("[alerts]\nhealth_belov = 1", BadInput, "did you mean 'health_below'"),
        ("[alerts]\nhealth_below = true", BadInput, r"health_below is True; expected a number"),
        ("[alerts]\nlabels_missing_days = 90", BadInput, "labels_missing_days is 90; expected 1 to 27"),
        ("[alerts]\nrepeat_days = 0", BadInput, "repeat_days is 0; expected 1 or more"),
        ("[alerts.owners]\ndemand = 3", BadInput, r"\[alerts.owners\]: demand is 3; expected a text"),
        ("[alerts.channels]\na = 1", BadInput, r"\[alerts.channels.a\]: 1 is not a table"),
        ("[alerts.channels.a]\nkind = 'mail'", BadInput, r"\[alerts.channels.a\].*kind of channel .*'email'"),
        ("[alerts.channels.a]", BadInput, "email, file, log, webhook"),
        ("[alerts.channels.a]\nkind = 'file'", BadInput, "has no 'path', which a channel of kind file needs"),
        ("[alerts.channels.a]\nkind = 'log'\npath = 'x'", BadInput, "unknown option 'path'"),
        ("[alerts.channels.a]\nkind = 'log'\nseverity = 'fatal'", BadInput, "known: critical, warning"),
        ("[alerts.channels.a]\nkind = 'webhook'\nurl = 'ftp://x'", BadInput, "url is not an address"),
        ("[alerts.channels.a]\nkind = 'webhook'\nurl = 'https://ann:pw@x'", BadInput, "without user and password"),
        (f"[alerts.channels.a]\n{MAIL}password = 'x'", BadInput, "'password' does not belong into a file"),
        (f"[alerts.channels.a]\n{MAIL}port = 70000", BadInput, "port is 70000; expected 1 to 65535"),
        (f"[alerts.channels.a]\n{MAIL}port = '25'", BadInput, "port is '25'; expected a whole number"),
        (f"[alerts.channels.a]\n{MAIL}security = 'tls'", BadInput, "known: none, ssl, starttls"),
        (f"[alerts.channels.a]\n{MAIL.replace('b@x.org', 'bob')}", BadInput, "expected a list of texts"),
        ("[alerts", BadInput, "can't be read"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_its_place(tmp_path: Path, text: str, error: type[Exception], says: str):
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(error, match=says) as refused:
        read_policy(tmp_path / "policy.toml")
    assert "pw" not in str(refused.value)


def test_without_alerts_in_the_policy_nobody_is_told(tmp_path: Path):
    (tmp_path / "policy.toml").write_text("")
    found = read_policy(tmp_path / "policy.toml").alerts
    assert (found.channels, dict(found.limits)) == ((), dict(RULES.limits))


# The commands


def test_the_commands_list_deliver_and_try(
    home: Settings, mlops: Callable[..., tuple[int, str, str]], hook: Http, tmp_path: Path, monkeypatch
):
    write_whole(tmp_path / POLICY, f'[alerts.channels.ops]\nkind = "webhook"\nurl = "{hook.url}"\n')
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    with psycopg.connect(home.database_url, autocommit=True) as connection:
        Served(connection).healthy()
    assert mlops("alerts", "deliver", "--as-of", "2024-06-03")[:2] == (0, "ops: 0 sent\n")
    code, out, _ = mlops("alerts", "deliver", "--as-of", "2024-06-20")
    assert code == 1
    assert "critical: models:/demand@champion forecasts_missing: version 1: no forecasts since 2024-06-06" in out
    assert "waiting: it has no MLOPS_ALERT_WEBHOOK_SECRET" in out
    assert "models:/demand@champion  forecasts_missing" in mlops("alerts", "list")[1]
    assert mlops("alerts", "list", "--json")[1] == mlops("registry", "alerts", "--json")[1]
    code, _, err = mlops("alerts", "test", "opps")
    assert code == 2
    assert "did you mean 'ops'" in err
