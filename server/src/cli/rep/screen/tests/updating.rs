//! Keys and messages.

use sync_core::{document::Kind, protocol::message::IntentAction};

use super::*;
use crate::cli::rep::screen::model::{
    Failure, IntentOutcome, Link, Live, Overlay, Page, Section, SyncResult, Tab, Write,
};

fn failure(code: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: format!("{code} in the engine's words"),
    }
}

fn add(kind: Kind, words: &[&str]) -> Effect {
    Effect::Write(Write::Add {
        customer: WALL.parse().unwrap(),
        kind,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    })
}

#[test]
fn a_phone_that_is_nobodys_asks_who_signs_in_and_leaves_when_nobody_does() {
    let mut model = Model::new(Language::En, NOW, Status::default());
    assert!(begin(&mut model).is_empty());
    type_text(&mut model, "pool.example.com");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "li");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "secret");
    assert!(press(&mut model, KeyCode::Enter).is_empty());
    assert!(drawn(&model, 80, 24).contains("Write the whole address"));
    assert!(!drawn(&model, 80, 24).contains("secret"), "a password is not shown");
    press(&mut model, KeyCode::Esc);
    assert!(model.has_quit);
}

#[test]
fn a_sign_in_that_is_refused_stays_open_with_the_reason_and_one_that_works_syncs() {
    let mut model = Model::new(Language::Zh, NOW, Status::default());
    begin(&mut model);
    update(&mut model, Message::Paste("https://pool.example.com".to_owned()));
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "li");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "wrong");
    let effects = press(&mut model, KeyCode::Enter);
    let asked = Effect::SignIn {
        server: "https://pool.example.com".to_owned(),
        login: "li".to_owned(),
        password: "wrong".to_owned(),
    };
    assert_eq!(effects, [asked]);
    update(&mut model, Message::NotSignedIn(failure("wrong_credentials")));
    assert!(drawn(&model, 80, 24).contains("账号或密码错误"));
    press(&mut model, KeyCode::Enter);
    let effects = update(&mut model, Message::SignedIn("李伟".to_owned()));
    assert!(
        effects.contains(&Effect::Sync) && effects.contains(&Effect::Listen),
        "{effects:?}"
    );
    assert!(model.overlay.is_none());
}

#[test]
fn a_visit_is_recorded_with_its_check_in_purpose_and_note_and_synced_at_once() {
    let mut model = opened(Language::Zh);
    press(&mut model, KeyCode::Char('v'));
    type_text(&mut model, "续约");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "见了采购");
    let ctrl_s = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    let effects = update(&mut model, Message::Key(ctrl_s));
    let (started, ended) = (format!("started_at={}", NOW.0), format!("ended_at={}", NOW.0));
    assert_eq!(
        effects,
        [add(
            Kind::Visit,
            &[&started, &ended, "note=见了采购", "custom.purpose=续约"]
        )]
    );
    let Effect::Write(write) = effects[0].clone() else {
        panic!()
    };
    let effects = update(&mut model, Message::Written(write));
    assert!(effects.contains(&Effect::Sync));
    assert!(model.overlay.is_none());
    assert_eq!(model.notices.last().unwrap().text, "拜访已记录在本机。");
}

#[test]
fn a_visit_is_not_recorded_without_a_note_nor_with_a_time_that_is_none_or_is_to_come() {
    let mut model = opened(Language::En);
    let said = |model: &mut Model, time: &str, note: &str| {
        press(model, KeyCode::Char('v'));
        press(model, KeyCode::Up);
        let clear = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
        update(model, Message::Key(clear));
        type_text(model, time);
        press(model, KeyCode::Tab);
        press(model, KeyCode::Tab);
        type_text(model, note);
        let effects = update(
            model,
            Message::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL)),
        );
        let Some(Overlay::Form(form)) = model.overlay.take() else {
            panic!()
        };
        (effects, form.error.unwrap_or_default())
    };
    assert_eq!(said(&mut model, "08:00", "").1, "Note is needed.");
    assert!(said(&mut model, "yesterday", "x").1.contains("2026-03-01 09:30"));
    assert!(said(&mut model, "2026-11-25 09:30", "x").1.contains("future"));
    let (effects, error) = said(&mut model, "08:30", "x");
    assert_eq!(error, "");
    let hour = 3_600_000;
    let (started, ended) = (format!("started_at={}", NOW.0 - hour), format!("ended_at={}", NOW.0));
    assert_eq!(effects, [add(Kind::Visit, &[&started, &ended, "note=x"])]);
}

#[test]
fn a_follow_up_may_be_due_in_so_many_days() {
    let mut model = opened_customer(Language::En);
    press(&mut model, KeyCode::Char('f'));
    type_text(&mut model, "Send the quote");
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "+7");
    let effects = press(&mut model, KeyCode::Enter);
    assert_eq!(
        effects,
        [add(
            Kind::FollowUp,
            &["text=Send the quote", "channel=visit", "due=2026-12-01"]
        )]
    );
    update(&mut model, Message::NotWritten(failure("not_permitted")));
    let Some(Overlay::Form(form)) = &model.overlay else {
        panic!("what was typed is kept")
    };
    assert_eq!(form.error.as_deref(), Some("You may not do this here."));
    assert_eq!(form.value("text"), "Send the quote");
}

#[test]
fn fields_are_edited_where_they_stand_and_tags_as_a_list() {
    let mut model = opened_customer(Language::En);
    for _ in 0..3 {
        press(&mut model, KeyCode::Tab);
    }
    assert_eq!(model.customer.section, Section::Fields);
    let keys: Vec<String> = model.lines().into_iter().map(|line| line.key).collect();
    let mut edit = |key: &str, text: &str| {
        model.customer.selected = keys.iter().position(|known| known == key).unwrap();
        press(&mut model, KeyCode::Char('e'));
        update(
            &mut model,
            Message::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)),
        );
        type_text(&mut model, text);
        let effects = press(&mut model, KeyCode::Enter);
        model.overlay = None;
        effects
    };
    let card = |words: &[&str]| {
        vec![Effect::Write(Write::EditCustomer {
            customer: WALL.parse().unwrap(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        })]
    };
    assert_eq!(edit("region", "South"), card(&["card.region=South"]));
    assert_eq!(edit("tags", "vip west"), card(&["card.tags+=west", "card.tags-=east"]));
    assert_eq!(edit("region", "华北"), [], "nothing was changed");
    // A choice is chosen, not typed.
    assert_eq!(edit("stage", " "), card(&["card.stage="]));
}

#[test]
fn a_value_of_a_conflict_is_kept_by_choosing_it_and_a_follow_up_is_marked_as_done() {
    let mut model = opened_customer(Language::En);
    press(&mut model, KeyCode::Left);
    assert_eq!(model.customer.section, Section::Conflicts);
    press(&mut model, KeyCode::Down);
    let edit = |document: &str, word: &str, is_choice| {
        Effect::Write(Write::Edit {
            document: document.parse().unwrap(),
            words: vec![word.to_owned()],
            is_choice,
        })
    };
    assert_eq!(press(&mut model, KeyCode::Enter), [edit(CARD, "region=华南", true)]);
    press(&mut model, KeyCode::Right);
    // Newest first: the visit of an hour ago stands below the follow-up of now.
    assert_eq!(
        press(&mut model, KeyCode::Char('x')),
        [edit(FOLLOW_UP, "done=true", false)]
    );
    press(&mut model, KeyCode::Down);
    assert_eq!(press(&mut model, KeyCode::Char('x')), []);
    assert!(model.notices.last().unwrap().is_bad);
}

#[test]
fn only_a_customer_of_the_pool_is_claimed_and_only_ones_own_goes_back() {
    let mut model = opened(Language::En);
    assert_eq!(press(&mut model, KeyCode::Char('c')), []);
    press(&mut model, KeyCode::Char('r'));
    type_text(&mut model, "moved away");
    let reason = "moved away".to_owned();
    let release = IntentAction::Release { pool: None, reason };
    let effects = press(&mut model, KeyCode::Enter);
    assert_eq!(effects, [Effect::Write(Write::Intend(WALL.parse().unwrap(), release))]);
    model.overlay = None;
    press(&mut model, KeyCode::Char('2'));
    assert_eq!(model.list.tab, Tab::Pool);
    let effects = press(&mut model, KeyCode::Char('c'));
    assert_eq!(
        effects,
        [Effect::Write(Write::Intend(EAST.parse().unwrap(), IntentAction::Claim))]
    );
    press(&mut model, KeyCode::Char('r'));
    assert!(model.overlay.is_none());
}

#[test]
fn in_flight_mode_nothing_is_asked_of_the_server_and_afterwards_everything_at_once() {
    let mut model = opened(Language::En);
    assert_eq!(
        press(&mut model, KeyCode::Char('m')),
        [Effect::Write(Write::FlightMode(true))]
    );
    let effects = update(&mut model, Message::Written(Write::FlightMode(true)));
    assert!(matches!(effects[..], [Effect::Read { .. }]), "{effects:?}");
    assert_eq!(press(&mut model, KeyCode::Char('s')), []);
    assert!(model.notices.last().unwrap().text.contains("Press m"));
    assert_eq!(update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Poke)), []);
    assert_eq!(update(&mut model, Message::NotHeard(None)), []);
    assert_eq!(update(&mut model, Message::Tick(NOW.plus_ms(3_600_000))), []);
    let effects = update(&mut model, Message::Written(Write::FlightMode(false)));
    assert!(
        effects.contains(&Effect::Sync) && effects.contains(&Effect::Listen),
        "{effects:?}"
    );
}

#[test]
fn one_sync_runs_at_a_time_and_what_came_up_meanwhile_is_synced_after_it() {
    let mut model = opened(Language::En);
    assert_eq!(press(&mut model, KeyCode::Char('s')), [Effect::Sync]);
    assert_eq!(press(&mut model, KeyCode::Char('s')), []);
    assert_eq!(update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Poke)), []);
    let effects = update(&mut model, Message::Synced(SyncResult::default()));
    assert!(effects.contains(&Effect::Sync));
    assert_eq!(model.notices.last().unwrap().text, "Synced: nothing new.");
}

#[test]
fn what_only_came_in_with_a_poke_does_not_hide_what_was_told_before() {
    let mut model = opened(Language::En);
    press(&mut model, KeyCode::Char('s'));
    let sent = SyncResult {
        sent: 3,
        ..SyncResult::default()
    };
    update(&mut model, Message::Synced(sent));
    update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Poke));
    let received = SyncResult {
        received: 1,
        ..SyncResult::default()
    };
    update(&mut model, Message::Synced(received));
    assert_eq!(model.notices.last().unwrap().text, "Synced: 3 sent, 0 received.");
}

#[test]
fn a_server_that_is_gone_is_told_of_once_and_tried_again_by_itself() {
    let mut model = opened(Language::Zh);
    press(&mut model, KeyCode::Char('s'));
    update(
        &mut model,
        Message::NotSynced(failure("offline"), SyncResult::default()),
    );
    assert_eq!(model.link, Link::Offline);
    assert!(model.notices.last().unwrap().text.starts_with("无法连接服务器"));
    let told = model.notices.len();
    update(&mut model, Message::NotHeard(Some(failure("offline"))));
    assert!(matches!(model.live, Live::WaitUntil(_)));
    let effects = update(&mut model, Message::Tick(NOW.plus_ms(30_000)));
    assert_eq!(effects, [Effect::Listen, Effect::Sync]);
    update(
        &mut model,
        Message::NotSynced(failure("offline"), SyncResult::default()),
    );
    assert_eq!(model.notices.len(), told);
}

#[test]
fn a_phone_that_is_shut_out_or_must_sign_in_again_says_what_to_do_and_asks_no_more() {
    for (code, link, said) in [
        ("device_revoked", Link::ShutOut, "revoked"),
        ("account_not_active", Link::ShutOut, "not active"),
        ("sign_in_required", Link::SignIn, "press i"),
    ] {
        let mut model = opened(Language::En);
        press(&mut model, KeyCode::Char('s'));
        update(&mut model, Message::NotSynced(failure(code), SyncResult::default()));
        assert_eq!(model.link, link);
        assert!(model.notices.last().unwrap().text.contains(said), "{code}");
        let mut model = opened(Language::En);
        update(&mut model, Message::NotHeard(Some(failure(code))));
        assert!(
            model.notices.last().unwrap().text.contains(said),
            "also by the stream: {code}"
        );
        assert_eq!(update(&mut model, Message::Tick(NOW.plus_ms(3_600_000))), []);
    }
}

#[test]
fn what_became_of_a_claim_is_told_with_the_customers_name() {
    let mut model = opened(Language::En);
    let mut entry = refused_claim();
    entry.id = "01a20f92".to_owned();
    model.entries = vec![entry];
    press(&mut model, KeyCode::Char('s'));
    let lost = IntentOutcome {
        id: "01a20f92".to_owned(),
        kind: "claim",
        is_accepted: false,
        reason: Some("already_claimed".to_owned()),
    };
    let result = SyncResult {
        sent: 1,
        refused: 1,
        intents: vec![lost],
        ..SyncResult::default()
    };
    update(&mut model, Message::Synced(result));
    let told: Vec<&str> = model.notices.iter().map(|notice| notice.text.as_str()).collect();
    assert!(
        told.contains(&"East Sea Textile: refused (Claim). Somebody else claimed it first."),
        "{told:?}"
    );
    assert!(told.last().unwrap().contains("press o"));
}

#[test]
fn leaving_warns_once_while_something_waits() {
    let mut model = opened(Language::En);
    press(&mut model, KeyCode::Char('q'));
    assert!(model.has_quit);
    let mut model = opened(Language::En);
    model.status.pending = 3;
    press(&mut model, KeyCode::Char('q'));
    assert!(!model.has_quit);
    press(&mut model, KeyCode::Esc);
    assert!(!model.has_quit && model.overlay.is_none());
    press(&mut model, KeyCode::Char('q'));
    press(&mut model, KeyCode::Char('q'));
    assert!(model.has_quit);
    let mut model = opened(Language::En);
    model.status.pending = 3;
    press(&mut model, KeyCode::Char('q'));
    assert_eq!(press(&mut model, KeyCode::Char('s')), [Effect::Sync]);
}

#[test]
fn typing_searches_at_once_and_reads_one_at_a_time() {
    let mut model = opened(Language::En);
    press(&mut model, KeyCode::Char('/'));
    let effects = type_text(&mut model, "长q");
    let read = |query: &str| Effect::Read {
        query: query.to_owned(),
        customer: None,
    };
    assert_eq!(effects, [read("长")], "the second waits for the first");
    let effects = update(&mut model, Message::Read(Box::new(snapshot())));
    assert_eq!(effects, [read("长q")]);
    let mut found = snapshot();
    found.found = Some(crate::cli::rep::screen::data::Found {
        query: "长q".to_owned(),
        customers: std::iter::once(WALL.parse().unwrap()).collect(),
    });
    update(&mut model, Message::Read(Box::new(found)));
    assert_eq!(model.list.rows(Tab::All).len(), 1);
    assert!(!model.has_quit, "q is a letter while one types");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.list.rows(Tab::All).len(), 2);
}

#[test]
fn only_what_was_refused_is_taken_out_of_the_outbox() {
    let mut model = opened(Language::En);
    model.entries = vec![refused_claim()];
    press(&mut model, KeyCode::Char('o'));
    assert_eq!(
        press(&mut model, KeyCode::Char('d')),
        [Effect::Write(Write::Dismiss(7))]
    );
    model.entries[0].is_refused = false;
    assert_eq!(press(&mut model, KeyCode::Char('d')), []);
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.page, Page::Customers);
}

#[test]
fn a_customer_that_leaves_the_phone_while_it_is_open_is_said_to_be_gone() {
    let mut model = opened_customer(Language::En);
    update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Poke));
    let mut without = snapshot();
    without.customers.remove(0);
    update(
        &mut model,
        Message::Synced(SyncResult {
            evicted: 1,
            ..SyncResult::default()
        }),
    );
    update(&mut model, Message::Read(Box::new(without)));
    assert!(drawn(&model, 80, 24).contains("no longer on this phone"));
    assert_eq!(press(&mut model, KeyCode::Char('v')), []);
    assert!(model.overlay.is_none());
}
