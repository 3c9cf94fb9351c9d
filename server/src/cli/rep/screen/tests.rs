//! What keys and messages do, and what is drawn, without a phone.

mod drawing;
mod updating;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use serde_json::{Value as Json, json};
use sync_core::time::Timestamp;

use super::{
    data::{Customer, Entry, Organisation, Row, Snapshot, Status},
    model::{Effect, Message, Model},
    update::{begin, update},
    view,
};
use crate::cli::rep::language::Language;

const ME: &str = "01a20f92-0000-7000-8000-000000000001";
const WALL: &str = "01a20f92-0000-7000-8000-00000000000a";
const EAST: &str = "01a20f92-0000-7000-8000-00000000000b";
const CARD: &str = "01a20f92-0000-7000-8000-0000000000c1";
const VISIT: &str = "01a20f92-0000-7000-8000-0000000000d1";
const FOLLOW_UP: &str = "01a20f92-0000-7000-8000-0000000000d2";
/// 2026-11-24 09:30 in Shanghai.
const NOW: Timestamp = Timestamp(1_795_483_800_000);

fn status() -> Status {
    let json = json!({
        "user": {"id": ME, "login": "li", "name": "李伟"}, "pending": 0, "refused": 0, "last_sync": NOW.0 - 60_000,
        "state": "active", "encrypted": false, "flight_mode": false,
    });
    Status::read(&json, "http://127.0.0.1:8420".to_owned())
}

fn organisation() -> Organisation {
    Organisation::read(&json!({
        "timezone": "Asia/Shanghai",
        "stages": [{"id": "lead", "en": "Lead", "zh": "线索"}, {"id": "intent", "en": "Intent", "zh": "意向"}],
        "pipeline": [{"id": "needs", "en": "Needs confirmed", "zh": "需求确认"}],
        "pools": [{"id": ME, "name": "华东公海"}],
    }))
}

/// A customer of mine, and one in the pool.
fn customers() -> Vec<Json> {
    let own = json!({
        "id": WALL, "name": "长城贸易有限公司", "relation": "owner", "owner": {"id": ME, "login": "li", "name": "李伟"},
        "pool": null, "stage": "intent", "region": "华北", "provisional": null, "last_contact": NOW.0 - 3 * 86_400_000,
        "pending": 2, "refused": 1, "conflicts": 1,
    });
    let pooled = json!({
        "id": EAST, "name": "East Sea Textile", "relation": "pool", "owner": null, "pool": ME, "pool_name": "华东公海",
        "stage": "lead", "region": "华东", "provisional": null, "last_contact": null,
        "pending": 0, "refused": 0, "conflicts": 0,
    });
    vec![own, pooled]
}

fn customer() -> Json {
    let mut customer = customers()[0].clone();
    let person = |name: &str| json!({"id": ME, "login": "x", "name": name});
    let document = |id: &str, kind: &str, state: &str, fields: Json| json!({"id": id, "kind": kind, "author": person("李伟"), "created_at": NOW.0, "state": state, "fields": fields});
    let parts = json!({
        "card": document(CARD, "card", "synced", json!({
            "name": "长城贸易有限公司", "region": "华北", "stage": "intent", "tags": ["vip", "east"],
        })),
        "dossier": null,
        "internal": null,
        "visits": [document(VISIT, "visit", "pending", json!({
            "started_at": NOW.0 - 3_600_000, "note": "见了采购，谈了明年的价格", "custom": {"purpose": "续约"},
        }))],
        "follow_ups": [document(FOLLOW_UP, "follow_up", "synced", json!({
            "text": "Send the quote", "channel": "wechat", "due": "2026-11-20",
        }))],
        "contacts": [], "opportunities": [], "tickets": [],
        "conflicts": [{"document": CARD, "field": "region", "values": [
            {"value": "华北", "author": person("李伟"), "device": null, "at": NOW.0},
            {"value": "华南", "author": person("韩梅"), "device": null, "at": NOW.0},
        ]}],
    });
    let parts = parts.as_object().unwrap().clone();
    customer.as_object_mut().unwrap().extend(parts);
    customer
}

fn snapshot() -> Snapshot {
    Snapshot {
        status: status(),
        organisation: organisation(),
        customers: customers().iter().filter_map(|json| Row::read(json, ME)).collect(),
        ..Snapshot::default()
    }
}

fn refused_claim() -> Entry {
    let json = json!({
        "id": 7, "kind": "claim", "document": null, "customer": EAST, "fields": {}, "state": "refused",
        "verdict": "rejected", "reason": "already_claimed", "owner": {"id": ME, "login": "han", "name": "韩梅"},
        "at": NOW.0,
    });
    Entry::read(&json, |_| "East Sea Textile".to_owned())
}

/// The screen of a phone that has synced, and what it asked for when it opened.
fn opened(language: Language) -> Model {
    let mut model = Model::new(language, NOW, status());
    let effects = begin(&mut model);
    assert_eq!(effects.len(), 3, "it reads, syncs and listens: {effects:?}");
    update(&mut model, Message::Synced(super::model::SyncResult::default()));
    update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Open));
    update(&mut model, Message::Synced(super::model::SyncResult::default()));
    update(&mut model, Message::Read(Box::new(snapshot())));
    update(&mut model, Message::Read(Box::new(snapshot())));
    assert!(!model.reading.is_running);
    model
}

/// The same with the first customer open.
fn opened_customer(language: Language) -> Model {
    let mut model = opened(language);
    press(&mut model, KeyCode::Enter);
    let mut snapshot = snapshot();
    snapshot.customer = Customer::read(&customer(), ME);
    update(&mut model, Message::Read(Box::new(snapshot)));
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_text(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars()
        .flat_map(|letter| press(model, KeyCode::Char(letter)))
        .collect()
}

/// What is drawn, line by line, each character once.
fn drawn(model: &Model, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| view::draw(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..rows {
        let mut x = 0;
        while x < columns {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol))
                .unwrap()
                .max(1);
        }
        text.push('\n');
    }
    text
}
