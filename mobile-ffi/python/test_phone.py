"""The phone from Python, against a real server: what an app in Kotlin or Swift meets through the same border."""

import gc
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

import fieldpool
from company import CUSTOMERS, PASSWORD, Company, Gate
from fieldpool import (
    CustomerPart,
    DocumentKind,
    DocumentState,
    EncryptionKey,
    FieldEdit,
    FieldValue,
    NewContact,
    NewCustomer,
    NewFollowUp,
    NewOpportunity,
    NewVisit,
    Phone,
    PhoneError,
    PhoneEvent,
    PhoneObserver,
    Place,
    PokeListener,
    Provisional,
)

# No test waits for time to pass; this only keeps a broken one from hanging for ever.
PATIENCE_S = 60


# Enrols a phone in a process of its own and prints who it belongs to, or why not.
STRANGER = f"""
import sys, fieldpool
folder, url, trusted = sys.argv[1:]
if trusted:
    fieldpool.trust_only(open(trusted, "rb").read())
try:
    print(fieldpool.Phone.open(folder).enroll(url, "li", {PASSWORD!r}, "python").user.login)
except fieldpool.PhoneError as error:
    print(error.code)
"""


def text(value):
    return FieldValue.TEXT(value)


def value_of(document, name):
    """A field's plain value."""
    found = [field.value for field in document.fields if field.name == name]
    return found[0].value if found else None


class Listener(PhoneObserver):
    """Keeps what it hears."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


class Ear(PokeListener):
    """Listens until it has heard news twice: that the line is open, and something."""

    def __init__(self):
        self.open, self.poked = threading.Event(), threading.Event()

    def on_heard(self, news):
        if not news:
            return True
        if not self.open.is_set():
            self.open.set()
            return True
        self.poked.set()
        return False


class PhoneTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.company = Company()
        cls.addClassCleanup(cls.company.close)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fieldpool-phone-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.phones = 0

    def phone(self, login="li", sync=True):
        """Another phone of this person."""
        self.phones += 1
        phone = Phone.open(f"{self.folder}/{self.phones}")
        phone.enroll(self.company.url, login, PASSWORD, "python")
        if sync:
            phone.sync()
        return phone

    def of(self, phone, name=CUSTOMERS[0]):
        """The id of a customer."""
        return next(item.id for item in phone.customers() if item.name == name)

    def new_customer(self, phone, name):
        customer = phone.create_customer(NewCustomer(name=name))
        phone.sync()
        return customer

    def assertCode(self, code, caught):
        self.assertEqual(caught.exception.code, code)
        self.assertGreater(len(caught.exception.reason), 10)


class Everyday(PhoneTest):
    def test_a_phone_enrols_syncs_and_lists_its_customers(self):
        phone = Phone.open(f"{self.folder}/1")
        enrolled = phone.enroll(self.company.url, "li", PASSWORD, "python")
        self.assertEqual((enrolled.user.login, enrolled.user.name), ("li", "Li"))
        self.assertEqual(str(uuid.UUID(enrolled.device)), enrolled.device)
        result = phone.sync()
        self.assertGreater(result.totals.round_trips, 0)
        names = [item.name for item in phone.customers() if item.relation == "owner"]
        for name in CUSTOMERS:
            self.assertIn(name, names)
        self.assertEqual(names, sorted(names))
        found = phone.customers("alfreds")
        self.assertEqual([item.name for item in found], ["Alfreds Futterkiste"])
        self.assertEqual(found[0].owner.name, "Li")
        status = phone.status()
        self.assertEqual((status.state, status.pending, status.user.login), ("active", 0, "li"))
        self.assertFalse(phone.is_encrypted())

    def test_what_is_recorded_stays_over_a_restart_and_reaches_another_phone(self):
        first = self.phone()
        customer = self.of(first)
        visit = first.add_visit(customer, NewVisit(note="见了采购", outcome="good", place=Place(lat=39.9, lon=116.4)))
        follow_up = first.add_follow_up(customer, NewFollowUp(text="call", channel="wechat", due="2026-12-02"))
        contact = first.add_contact(customer, NewContact(name="王芳", phone="+86 138 0000 0000"))
        deal = first.add_opportunity(
            customer, NewOpportunity(title="Phones", stage="needs", amount_minor=120000, currency="CNY")
        )
        first.add_comment(visit, "well done")
        first.edit_document(
            contact,
            [FieldEdit.SET("title", text("采购")), FieldEdit.SET_ENTRY("phones", "office", text("010 1234"))],
        )
        first.edit_customer(customer, CustomerPart.DOSSIER, [FieldEdit.SET("needs", text("快递"))])
        tag = FieldEdit.ADD_TAG("vip")
        first.edit_customer(customer, CustomerPart.CARD, [FieldEdit.SET("stage", text("lead")), tag])
        pending = [entry.document for entry in first.outbox()]
        for document in (visit, follow_up, contact, deal):
            self.assertIn(document, pending)
        self.assertEqual(first.document(visit).state, DocumentState.PENDING)

        del first
        gc.collect()
        again = Phone.open(f"{self.folder}/1")
        self.assertEqual([entry.document for entry in again.outbox()], pending)
        result = again.sync()
        self.assertEqual((result.verdicts.rejected, result.verdicts.quarantined), (0, 0))
        self.assertEqual(again.outbox(), [])

        shown = self.phone().customer(customer)
        self.assertEqual(value_of(shown.card, "stage"), "lead")
        self.assertEqual(value_of(shown.dossier, "needs"), "快递")
        self.assertIsNone(shown.internal)
        self.assertIn(("王芳", "采购"), [(value_of(one, "name"), value_of(one, "title")) for one in shown.contacts])
        kinds = {one.id: one.kind for one in shown.timeline}
        self.assertEqual(kinds[visit], DocumentKind.VISIT)
        self.assertEqual(kinds[follow_up], DocumentKind.FOLLOW_UP)
        self.assertEqual(kinds[deal], DocumentKind.OPPORTUNITY)
        times = [one.at_ms for one in shown.timeline]
        self.assertEqual(times, sorted(times, reverse=True))
        there = next(one for one in shown.timeline if one.id == visit)
        self.assertEqual((there.author.login, there.state), ("li", DocumentState.SYNCED))
        self.assertEqual((value_of(there, "lat"), value_of(there, "note")), (39.9, "见了采购"))

    def test_a_visit_is_planned_begun_and_finished(self):
        phone = self.phone()
        customer = self.of(phone)
        planned = phone.plan_visit(customer, 1_900_000_000_000)
        begun = phone.start_visit(customer, Place(lat=-33.8, lon=151.2, accuracy_m=12.0))
        phone.finish_visit(begun, "met the buyer", outcome="good")
        self.assertEqual(phone.document(planned).at_ms, 1_900_000_000_000)
        self.assertEqual(value_of(phone.document(begun), "outcome"), "good")
        done = phone.add_follow_up(customer, NewFollowUp(text="send the quote"))
        phone.finish_follow_up(done)
        self.assertIs(value_of(phone.document(done), "done"), True)
        history = phone.history(begun, "note")
        self.assertEqual([(write.value.value, write.author.login, write.current) for write in history],
                         [("met the buyer", "li", True)])

    def test_two_phones_disagree_both_values_show_and_one_person_settles_it(self):
        first, second = self.phone(), self.phone()
        customer = self.new_customer(first, "Disputed")
        second.sync()
        for phone, region in ((first, "north"), (second, "south")):
            phone.edit_customer(customer, CustomerPart.CARD, [FieldEdit.SET("region", text(region))])
        first.sync()
        second.sync()
        first.sync()
        for phone in (first, second):
            conflict, = phone.customer(customer).conflicts
            self.assertEqual(conflict.field, "region")
            self.assertEqual({written.value.value for written in conflict.values}, {"north", "south"})
        first.settle_conflict(conflict.document, conflict.field, text("south"))
        first.sync()
        second.sync()
        for phone in (first, second):
            shown = phone.customer(customer)
            self.assertEqual((shown.conflicts, value_of(shown.card, "region")), ([], "south"))

    def test_a_customer_is_claimed_from_the_pool_and_given_back(self):
        phone = self.phone("wang")
        customer = self.of(phone, "Free for all")
        claim = phone.claim(customer)
        self.assertEqual(phone.customer(customer).item.provisional, Provisional.CLAIM)
        result = phone.sync()
        self.assertEqual([(one.id, one.kind, one.outcome) for one in result.intents], [(claim, "claim", "accepted")])
        self.assertEqual(phone.customer(customer).item.owner.login, "wang")
        phone.release(customer, "not for me", pool=self.company.pool)
        self.assertEqual(phone.sync().intents[0].outcome, "accepted")

    def test_what_the_server_refuses_lies_in_the_tray_until_it_is_dismissed(self):
        first, second = self.phone("wang"), self.phone("li")
        customer = self.of(first, "Free for all")
        first.claim(customer)
        second.claim(customer)
        first.sync()
        outcome, = second.sync().intents
        self.assertEqual(outcome.outcome, "rejected")
        entry, = second.tray()
        self.assertEqual((entry.customer, entry.reason), (customer, outcome.reason))
        second.dismiss(entry.id)
        self.assertEqual(second.tray(), [])
        with self.assertRaises(PhoneError.Refused) as caught:
            second.dismiss(entry.id)
        self.assertCode("not_found", caught)
        first.release(customer, "only a test", pool=self.company.pool)
        first.sync()

    def test_search_at_the_server_finds_what_this_phone_does_not_hold(self):
        phone = self.phone("li", sync=False)
        self.assertEqual(phone.customers(), [])
        self.assertIn("Alfreds Futterkiste", [item.name for item in phone.search_online("alfreds")])

    def test_in_flight_mode_work_goes_on_and_nothing_is_sent_also_after_a_restart(self):
        phone = self.phone()
        customer = self.of(phone)
        phone.set_flight_mode(True)
        visit = phone.add_visit(customer, NewVisit(note="in the air"))
        phone = Phone.open(f"{self.folder}/1")
        self.assertTrue(phone.flight_mode() and phone.status().flight_mode)
        for call in (
            phone.sync,
            lambda: phone.search_online("x"),
            lambda: phone.listen(Ear()),
            lambda: phone.enroll(self.company.url, "li", PASSWORD, "python"),
        ):
            with self.assertRaises(PhoneError.Offline) as caught:
                call()
            self.assertCode("flight_mode", caught)
        phone.set_flight_mode(False)
        phone.sync()
        self.assertEqual(phone.document(visit).state, DocumentState.SYNCED)

    def test_a_list_marks_what_is_pending_and_an_entry_says_what_was_written(self):
        phone = self.phone()
        customer = phone.create_customer(NewCustomer(name="Marked", region="north"))
        phone.sync()
        phone.add_visit(customer, NewVisit(note="seen", ended_at_ms=1_700_000_000_000))
        phone.edit_customer(customer, CustomerPart.CARD, [FieldEdit.SET("name", text("Still marked"))])
        phone.edit_customer(customer, CustomerPart.CARD, [FieldEdit.SET("region", FieldValue.EMPTY())])
        item, = phone.customers("still marked")
        self.assertEqual((item.pending, item.refused, item.conflicts), (3, 0, 0))
        self.assertEqual(item.last_contact_ms, 1_700_000_000_000)
        written = [{field.name: field.value for field in entry.fields} for entry in phone.outbox()]
        self.assertEqual(written[0]["note"], text("seen"))
        self.assertEqual(written[1:], [{"name": text("Still marked")}, {"region": FieldValue.EMPTY()}])

    def test_the_library_says_which_version_it_is(self):
        self.assertRegex(fieldpool.version(), r"^\d+\.\d+\.\d+")
        self.assertEqual(fieldpool.protocol_version(), 1)


class Observers(PhoneTest):
    def test_an_observer_hears_what_is_durable_and_nothing_after_it_is_cancelled_or_dropped(self):
        phone = self.phone()
        customer = self.of(phone)
        first, second = Listener(), Listener()
        observing, dropped = phone.observe(first), phone.observe(second)
        phone.add_visit(customer, NewVisit(note="seen"))
        phone.sync()
        self.assertEqual(first.events[0], PhoneEvent.RECORDED(customer))
        self.assertTrue(any(event.is_SYNC_PROGRESS() for event in first.events))
        ended = first.events[-1]
        self.assertTrue(ended.is_SYNC_ENDED())
        self.assertEqual((ended.error_code, ended.totals.settled), (None, 1))
        self.assertEqual(first.events, second.events)

        heard = len(first.events)
        observing.cancel()
        observing.cancel()
        del dropped
        gc.collect()
        phone.add_visit(customer, NewVisit(note="not seen"))
        self.assertEqual((len(first.events), len(second.events)), (heard, heard))

    def test_an_observer_that_throws_disturbs_neither_the_call_nor_the_others(self):
        class Clumsy(PhoneObserver):
            def on_event(self, event):
                raise RuntimeError("clumsy")

        phone = self.phone()
        listener = Listener()
        kept = [phone.observe(Clumsy()), phone.observe(listener)]
        phone.add_visit(self.of(phone), NewVisit(note="x"))
        self.assertEqual((len(listener.events), len(kept)), (1, 2))

    def test_an_observer_may_read_and_record_and_a_sync_inside_a_sync_is_refused(self):
        phone = self.phone()
        heard = []

        class Curious(PhoneObserver):
            def on_event(self, event):
                if not event.is_SYNC_PROGRESS():
                    return
                heard.append(len(phone.customers()))
                try:
                    phone.sync()
                except PhoneError.SyncInProgress as error:
                    heard.append(error.code)

        observing = phone.observe(Curious())
        phone.sync()
        observing.cancel()
        self.assertEqual(heard[:2], [len(phone.customers()), "sync_in_progress"])


class Errors(PhoneTest):
    def test_before_anybody_has_signed_in_the_screen_is_sent_to_sign_in(self):
        phone = Phone.open(f"{self.folder}/new")
        for call in (phone.status, phone.sync, phone.customers):
            with self.assertRaises(PhoneError.SignInRequired) as caught:
                call()
            self.assertCode("sign_in_required", caught)

    def test_a_wrong_password_and_an_unknown_login_are_refused_alike(self):
        phone = Phone.open(f"{self.folder}/new")
        reasons = set()
        for login, password in (("li", "wrong password"), ("nobody", PASSWORD)):
            with self.assertRaises(PhoneError.Refused) as caught:
                phone.enroll(self.company.url, login, password, "python")
            reasons.add((caught.exception.code, caught.exception.reason))
        self.assertEqual(len(reasons), 1)

    def test_a_phone_of_one_person_is_not_given_to_another(self):
        phone = self.phone("li")
        with self.assertRaises(PhoneError.Refused) as caught:
            phone.enroll(self.company.url, "wang", PASSWORD, "python")
        self.assertCode("not_permitted", caught)
        self.assertEqual(phone.status().user.login, "li")

    def test_without_a_server_work_goes_on_and_is_sent_when_it_is_back(self):
        company = Company()
        self.addCleanup(company.close)
        phone = Phone.open(f"{self.folder}/lonely")
        phone.enroll(company.url, "li", PASSWORD, "python")
        phone.sync()
        company.stop()
        visit = phone.add_visit(self.of(phone), NewVisit(note="no signal"))
        for call in (phone.sync, lambda: phone.search_online("x")):
            with self.assertRaises(PhoneError.Offline) as caught:
                call()
            self.assertCode("offline", caught)
        self.assertEqual([entry.document for entry in phone.outbox()], [visit])

    def test_a_revoked_phone_hands_in_what_it_holds_and_is_wiped(self):
        phone = self.phone()
        phone.add_visit(self.of(phone), NewVisit(note="unsent"))
        self.company.revoke(phone.status().device)
        result = phone.sync()
        self.assertEqual((result.wiped, result.verdicts.accepted), (True, 1))
        self.assertEqual((phone.status().state, phone.status().pending), ("wiped", 0))
        for call in (phone.sync, phone.customers, phone.outbox):
            with self.assertRaises(PhoneError.Locked) as caught:
                call()
            self.assertCode("device_wiped", caught)
        # Whoever works here signs in on it anew, through the same object.
        phone.enroll(self.company.url, "li", PASSWORD, "python")
        phone.sync()
        self.assertEqual(phone.status().state, "active")

    def test_logging_out_keeps_what_is_unsent_until_it_may_be_lost(self):
        phone = self.phone()
        phone.add_visit(self.of(phone), NewVisit(note="unsent"))
        with self.assertRaises(PhoneError.Refused) as caught:
            phone.log_out(False)
        self.assertCode("unsent_work", caught)
        self.assertEqual(phone.status().pending, 1)
        self.assertEqual(phone.log_out(True), 1)
        self.assertEqual(phone.status().state, "wiped")

    def test_no_key_is_taken_by_a_version_that_cannot_encrypt(self):
        folder = f"{self.folder}/secret"
        with self.assertRaises(PhoneError.EncryptionUnavailable) as caught:
            Phone.open(folder, EncryptionKey(bytes=bytes(32)))
        self.assertCode("encryption_unavailable", caught)
        with self.assertRaises(PhoneError.InvalidCall):
            Phone.open(folder, EncryptionKey(bytes=b"short"))
        with self.assertRaises(FileNotFoundError):
            open(f"{folder}/phone.db", "rb")

    def test_a_folder_that_cannot_be_one_is_an_error_of_the_store(self):
        with open(f"{self.folder}/file", "w", encoding="utf-8") as file:
            file.write("x")
        for folder in (f"{self.folder}/file", f"{self.folder}/nul\0byte"):
            with self.assertRaises(PhoneError.StoreFailed) as caught:
                Phone.open(folder)
            self.assertCode("store_not_found", caught)

    def test_a_damaged_store_is_an_error_and_no_crash(self):
        phone = Phone.open(f"{self.folder}/new")
        del phone
        gc.collect()
        with open(f"{self.folder}/new/phone.db", "wb") as file:
            file.write(b"this is no database" * 500)
        with self.assertRaises(PhoneError.StoreFailed) as caught:
            Phone.open(f"{self.folder}/new")
        self.assertCode("store_failed", caught)

    def test_what_is_no_id_or_no_url_is_a_defect_of_the_caller(self):
        phone = self.phone()
        calls = [
            lambda: phone.customer("1; DROP TABLE access"),
            lambda: phone.document(""),
            lambda: phone.claim("\0"),
            lambda: phone.add_visit("../../etc", NewVisit(note="x")),
            lambda: phone.release(self.of(phone), "x", pool="pool"),
            lambda: Phone.open(f"{self.folder}/new").enroll("ftp://x", "li", PASSWORD, "python"),
        ]
        for call in calls:
            with self.assertRaises(PhoneError.InvalidCall) as caught:
                call()
            self.assertCode("invalid_request", caught)

    def test_what_is_not_there_is_not_found(self):
        phone = self.phone()
        nobody = str(uuid.uuid4())
        for call in (phone.customer, phone.document, phone.claim):
            with self.assertRaises(PhoneError.Refused) as caught:
                call(nobody)
            self.assertCode("not_found", caught)

    def test_what_does_not_fit_its_field_is_refused_whole(self):
        phone = self.phone()
        customer = self.of(phone)
        refused = [
            [FieldEdit.SET("name", text("x" * 201))],
            [FieldEdit.SET("lat", FieldValue.NUMBER(float("nan")))],
            [FieldEdit.SET("lat", FieldValue.NUMBER(91.0))],
            [FieldEdit.SET("lat", text("north"))],
            [FieldEdit.SET("tags", FieldValue.ENTRIES('["x"]'))],
            [FieldEdit.SET("no such field", text("x"))],
            [FieldEdit.SET("stage", text("lead")), FieldEdit.SET("name", FieldValue.FLAG(True))],
        ]
        before = phone.customer(customer)
        for edits in refused:
            with self.assertRaises(PhoneError.Refused) as caught:
                phone.edit_customer(customer, CustomerPart.CARD, edits)
            self.assertCode("schema", caught)
        self.assertEqual(phone.customer(customer), before)
        with self.assertRaises(PhoneError.Refused):
            phone.create_customer(NewCustomer(name=""))
        self.assertEqual(phone.outbox(), [])

    def test_hostile_text_comes_back_as_it_went(self):
        phone, other = self.phone(), None
        customer = self.new_customer(phone, "Hostile")
        texts = [
            "'; DROP TABLE document; --",
            "<script>alert(1)</script>",
            "\u202eright to left\u202c",
            "a=b+=c-=d.e",
            "👩‍👩‍👧‍👦 𠀀 e\u0301",
            "%s %n {0} {{x}} $(id) `id`",
        ]
        visits = [phone.add_visit(customer, NewVisit(note=note)) for note in texts]
        phone.sync()
        other = self.phone()
        self.assertEqual([value_of(other.document(visit), "note") for visit in visits], texts)

    def test_wrong_types_are_stopped_before_the_border(self):
        phone = self.phone()
        customer = self.of(phone)
        calls = [
            lambda: phone.customer(None),
            lambda: phone.customer(7),
            lambda: phone.plan_visit(customer, "tomorrow"),
            lambda: phone.add_visit(customer, "a note"),
            lambda: phone.observe(lambda event: None),
            lambda: phone.edit_document(customer, [("name", "x")]),
        ]
        for call in calls:
            with self.assertRaises((TypeError, AttributeError)):
                call()
        with self.assertRaises(ValueError):
            phone.plan_visit(customer, 2**63)
        with self.assertRaises(UnicodeEncodeError):
            phone.customers("\ud800")
        self.assertEqual(phone.outbox(), [])


class StrangeServers(PhoneTest):
    def problem(self, status, code, **headers):
        body = json.dumps({"type": "about:blank", "title": "said by a test", "status": status, "code": code}).encode()
        return status, {"content-type": "application/problem+json", **headers}, body

    def test_whatever_a_server_says_the_screen_gets_an_error_it_knows_and_nothing_is_lost(self):
        gate = Gate(self.company.url)
        self.addCleanup(gate.close)
        phone = Phone.open(f"{self.folder}/gated")
        phone.enroll(gate.url, "li", PASSWORD, "python")
        phone.sync()
        customer = self.of(phone)
        visit = phone.add_visit(customer, NewVisit(note="kept"))
        zstd = {"content-type": "application/vnd.fieldpool.sync", "content-encoding": "zstd"}
        said = [
            (PhoneError.UpdateRequired, "upgrade_required", self.problem(426, "upgrade_required")),
            (PhoneError.Busy, "busy", self.problem(503, "overloaded", **{"retry-after": "600"})),
            (PhoneError.SignInRequired, "unauthenticated", self.problem(401, "unauthenticated")),
            (PhoneError.Refused, "internal", self.problem(500, "internal")),
            (PhoneError.Refused, "http_302", (302, {"location": "http://127.0.0.1:1/v1/sync"}, b"")),
            (PhoneError.Offline, "offline", (200, zstd, b"no zstd")),
            (PhoneError.Offline, "offline", (200, zstd, bytes.fromhex("28b52ffd") + bytes(range(256)))),
            (PhoneError.Offline, "offline", (200, {"content-length": "4000"}, b"cut")),
            # The last, for it counts as a copy from then on.
            (PhoneError.SignInRequired, "sign_in_required", self.problem(409, "actor_conflict")),
        ]
        for kind, code, answer in said:
            with self.subTest(code=code, status=answer[0]):
                gate.said = answer
                with self.assertRaises(kind) as caught:
                    phone.sync()
                self.assertCode(code, caught)
                self.assertEqual(phone.document(visit).state, DocumentState.PENDING)
                self.assertTrue(phone.customers())
        gate.said = None
        with self.assertRaises(PhoneError.SignInRequired):
            phone.sync()
        phone.enroll(gate.url, "li", PASSWORD, "python")
        phone.sync()
        self.assertEqual(phone.document(visit).state, DocumentState.SYNCED)


class Certificates(PhoneTest):
    def test_a_company_with_its_own_authority_is_trusted_when_the_app_says_so(self):
        company = Company()
        self.addCleanup(company.close)
        certificate = company.start_with_tls()
        # Whom to trust is said once for a process, so each of these has one of its own.
        for trusted, outcome in ((certificate, "li"), (None, "offline")):
            words = [sys.executable, "-c", STRANGER, f"{self.folder}/{outcome}", company.url, trusted or ""]
            done = subprocess.run(words, capture_output=True, text=True)
            self.assertEqual(done.stdout.strip(), outcome, done.stderr)

    def test_what_holds_no_certificate_is_refused(self):
        for pem in (b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\n"):
            with self.assertRaises(PhoneError.InvalidCall) as caught:
                fieldpool.trust_only(pem)
            self.assertCode("invalid_request", caught)


class Threads(PhoneTest):
    def in_threads(self, *calls):
        failures = []

        def run(call):
            try:
                call()
            except BaseException as error:  # told to the test below
                failures.append(error)

        threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            self.assertFalse(thread.is_alive())
        self.assertEqual(failures, [])

    def test_two_threads_record_and_read_at_once(self):
        phone = self.phone()
        customer = self.new_customer(phone, "Busy")

        def record():
            for number in range(20):
                phone.add_visit(customer, NewVisit(note=f"visit {number}"))
                phone.customer(customer)

        self.in_threads(record, record)
        self.assertEqual(len(phone.outbox()), 40)
        self.assertEqual(phone.sync().verdicts.accepted, 40)

    def test_while_a_sync_runs_screens_read_record_and_throw_objects_away(self):
        phone = self.phone()
        customer = self.new_customer(phone, "Patient")
        folder = f"{self.folder}/1"
        inside, go_on = threading.Event(), threading.Event()

        class Waiting(PhoneObserver):
            def on_event(self, event):
                if event.is_SYNC_PROGRESS():
                    inside.set()
                    go_on.wait(PATIENCE_S)

        observing = [phone.observe(Waiting())]

        def use_it_meanwhile():
            inside.wait(PATIENCE_S)
            # The sync stands between two pages.
            visit = phone.add_visit(customer, NewVisit(note="meanwhile"))
            self.assertEqual(phone.document(visit).state, DocumentState.PENDING)
            with self.assertRaises(PhoneError.SyncInProgress):
                phone.sync()
            with self.assertRaises(PhoneError.SyncInProgress):
                Phone.open(folder).sync()
            for _ in range(20):
                passing = Phone.open(folder)
                self.assertTrue(passing.customers())
                del passing
            observing.clear()
            gc.collect()
            go_on.set()

        self.in_threads(phone.sync, use_it_meanwhile)
        phone.sync()
        self.assertEqual(phone.outbox(), [])

    def test_a_thread_with_a_small_stack_is_enough(self):
        # What iOS gives to any thread but the first.
        usual = threading.stack_size(512 * 1024)
        self.addCleanup(threading.stack_size, usual)

        def a_working_day():
            phone = self.phone()
            customer = phone.create_customer(NewCustomer(name="Narrow"))
            visit = phone.add_visit(customer, NewVisit(note="x" * 10_000))
            phone.edit_document(visit, [FieldEdit.SET("note", text("better"))])
            phone.sync()
            self.assertEqual(phone.document(visit).state, DocumentState.SYNCED)

        self.in_threads(a_working_day)

    def test_a_phone_that_listens_hears_of_what_another_has_sent(self):
        listening, other = self.phone(), self.phone()
        customer = self.new_customer(other, "Loud")
        listening.sync()
        ear = Ear()

        def speak():
            ear.open.wait(PATIENCE_S)
            other.add_visit(customer, NewVisit(note="heard"))
            other.sync()
            ear.poked.wait(PATIENCE_S)

        self.in_threads(lambda: listening.listen(ear), speak)
        self.assertTrue(ear.poked.is_set())
        listening.sync()
        self.assertEqual(value_of(listening.customer(customer).timeline[0], "note"), "heard")

    def test_the_last_reference_may_go_while_a_call_runs(self):
        self.phone()
        for _ in range(5):
            self.in_threads(lambda: Phone.open(f"{self.folder}/1").sync(), gc.collect)


class LongLists(PhoneTest):
    ROWS = 10_000

    def test_ten_thousand_rows_cross_the_border_in_one_call(self):
        phone = self.phone()
        few, _ = self.count(phone)
        self.multiply(f"{self.folder}/1/phone.db", self.of(phone, "Alfreds Futterkiste"))
        calls, read = self.count(phone)
        items = len(phone.customers())
        self.assertGreaterEqual(items, self.ROWS)
        # The method itself, and what hands over the object and the buffers: the same for five rows as for all.
        self.assertEqual((calls, len(read)), (few, 1))
        print(f"\n{items} rows: {calls} calls, {read[0]} bytes, {read[0] // items} a row")
        # Names, owner and ids of a row; a document in it would be ten times as much.
        self.assertLess(read[0] // items, 400)

    def count(self, phone):
        """Calls over the border, and the sizes of what was read from it, for one list."""
        calls, sizes = [], []
        call = fieldpool._uniffi_rust_call_with_error
        read = fieldpool._UniffiRustBuffer.consume_with_stream

        def counted_call(*words):
            calls.append(words[1])
            return call(*words)

        def counted_read(buffer):
            sizes.append(buffer.len)
            return read(buffer)

        fieldpool._uniffi_rust_call_with_error = counted_call
        fieldpool._UniffiRustBuffer.consume_with_stream = counted_read
        try:
            phone.customers()
        finally:
            fieldpool._uniffi_rust_call_with_error = call
            fieldpool._UniffiRustBuffer.consume_with_stream = read
        return len(calls), sizes

    def multiply(self, file, model_id):
        """Copies one customer's rows until there are enough: what is measured is the border, not the server."""
        database = sqlite3.connect(file)
        for table, ids in (("access", ["customer"]), ("document", ["customer", "id"])):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            model = database.execute(
                f"SELECT * FROM {table} WHERE customer = ? ORDER BY {ids[-1]}", [uuid.UUID(model_id).bytes]
            ).fetchone()
            places = [columns.index(name) for name in ids]
            marks = ",".join("?" * len(columns))
            for number in range(self.ROWS):
                row = list(model)
                for place in places:
                    row[place] = number.to_bytes(16, "big")
                database.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        database.commit()
        database.close()


if __name__ == "__main__":
    unittest.main()
