//! What becomes of the model when something comes in, and what is wanted of the phone then. Pure: no clock, no phone,
//! no terminal.

mod forms;
mod keys;

use mobile_ffi::phone::Heard;
use sync_core::time::Timestamp;

use super::{
    data::Snapshot,
    labels,
    model::{Effect, Failure, Link, Live, Message, Model, Notice, Overlay, Page, Progress, Reading, SyncResult, Write},
    words::fill,
};

/// How long the newest notice stands above the keys.
pub(super) const NOTICE_MS: i64 = 15_000;
/// How long after a failure the server is tried again.
const RETRY_MS: i64 = 20_000;
/// How often a phone syncs whose server cannot poke it.
const POLL_MS: i64 = 60_000;

/// What is wanted when the screen opens.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    if !model.status.enrolled {
        forms::open_sign_in(model);
        return Vec::new();
    }
    let mut effects = read(model);
    effects.extend(reach(model));
    effects
}

/// Takes what came in.
pub(super) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => keys::press(model, key),
        Message::Paste(text) => paste(model, &text),
        Message::Tick(now) => tick(model, now),
        Message::Read(snapshot) => take(model, *snapshot),
        Message::NotRead(failure) => {
            model.reading = Reading::default();
            tell_failure(model, &failure);
            Vec::new()
        }
        Message::Written(write) => written(model, &write),
        Message::NotWritten(failure) => {
            not_saved(model, &failure);
            Vec::new()
        }
        Message::Progress(progress) => {
            model.sync.running = Some(progress);
            Vec::new()
        }
        Message::Synced(result) => synced(model, &result),
        Message::NotSynced(failure, result) => not_synced(model, &failure, &result),
        Message::Heard(heard) => hear(model, heard),
        Message::NotHeard(failure) => not_heard(model, failure.as_ref()),
        Message::SignedIn(name) => signed_in(model, &name),
        Message::NotSignedIn(failure) => {
            not_saved(model, &failure);
            Vec::new()
        }
        Message::Ended => {
            model.has_quit = true;
            Vec::new()
        }
    }
}

/// Reads what is shown anew, once at a time.
fn read(model: &mut Model) -> Vec<Effect> {
    if model.reading.is_running {
        model.reading.again = true;
        return Vec::new();
    }
    model.reading.is_running = true;
    vec![Effect::Read {
        query: model.list.query.all().trim().to_owned(),
        customer: model.customer.id,
    }]
}

fn may_reach(model: &Model) -> bool {
    model.status.enrolled && !model.status.flight_mode && !matches!(model.link, Link::SignIn | Link::ShutOut)
}

/// Syncs, now or right after the sync that runs.
fn sync(model: &mut Model, is_asked: bool) -> Option<Effect> {
    model.sync.is_asked |= is_asked;
    model.sync.next = None;
    if model.sync.running.is_some() {
        model.sync.again = true;
        return None;
    }
    model.sync.running = Some(Progress::default());
    Some(Effect::Sync)
}

/// Syncs and listens, where the server may be asked at all.
fn reach(model: &mut Model) -> Vec<Effect> {
    if !may_reach(model) {
        return Vec::new();
    }
    let mut effects: Vec<Effect> = sync(model, false).into_iter().collect();
    if !matches!(model.live, Live::On | Live::Connecting) {
        model.live = Live::Connecting;
        effects.push(Effect::Listen);
    }
    effects
}

fn tick(model: &mut Model, now: Timestamp) -> Vec<Effect> {
    model.now = now;
    if !may_reach(model) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    if matches!(model.live, Live::WaitUntil(until) if until <= now) {
        model.live = Live::Connecting;
        effects.push(Effect::Listen);
    }
    if model.sync.next.is_some_and(|next| next <= now) {
        effects.extend(sync(model, false));
    }
    effects
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    if let Some(Overlay::Form(form)) = &mut model.overlay {
        form.paste(text);
        return Vec::new();
    }
    if model.page == Page::Customers && model.list.is_typing {
        model.list.query.paste(text.trim());
        model.list.selected = 0;
        return read(model);
    }
    Vec::new()
}

/// Takes a snapshot; what is marked stays marked as far as it is still there.
fn take(model: &mut Model, snapshot: Snapshot) -> Vec<Effect> {
    let marked = model.selected_row().map(|row| row.id);
    model.is_loaded = true;
    model.status = snapshot.status;
    model.organisation = snapshot.organisation;
    model.list.all = snapshot.customers;
    let query = model.list.query.all().trim().to_owned();
    match snapshot.found {
        Some(found) if found.query == query => model.list.found = Some(found.customers),
        _ if query.is_empty() => model.list.found = None,
        _ => {}
    }
    let rows = model.rows();
    let place = marked.and_then(|id| rows.iter().position(|row| row.id == id));
    let last = rows.len().saturating_sub(1);
    model.list.selected = place.unwrap_or(model.list.selected).min(last);
    match snapshot.customer {
        Some(customer) if model.customer.id == Some(customer.row.id) => model.customer.data = Some(customer),
        None => model.customer.data = None,
        Some(_) => {}
    }
    model.customer.selected = model.customer.selected.min(model.customer_lines().saturating_sub(1));
    model.entries = snapshot.entries;
    model.entry = model.entry.min(model.entries.len().saturating_sub(1));
    model.reading.is_running = false;
    if std::mem::take(&mut model.reading.again) {
        return read(model);
    }
    Vec::new()
}

fn written(model: &mut Model, write: &Write) -> Vec<Effect> {
    use sync_core::{document::Kind, protocol::message::IntentAction};
    let words = model.words();
    let text = match write {
        Write::Add { kind: Kind::Visit, .. } => words.recorded_visit,
        Write::Add {
            kind: Kind::FollowUp, ..
        } => words.recorded_follow_up,
        Write::NewCustomer(_) => words.recorded_customer,
        Write::Intend(_, IntentAction::Claim) => words.claim_recorded,
        Write::Intend(_, IntentAction::Release { .. }) => words.release_recorded,
        Write::Edit { is_choice: true, .. } => words.value_chosen,
        Write::Add { .. } | Write::Edit { .. } | Write::EditCustomer { .. } | Write::Intend(..) => words.recorded,
        Write::Dismiss(_) => words.dismissed,
        Write::FlightMode(true) => words.flight_on,
        Write::FlightMode(false) => words.flight_off,
    };
    model.tell(text, false);
    if matches!(&model.overlay, Some(Overlay::Form(form)) if form.is_saving) {
        model.overlay = None;
    }
    if let Write::FlightMode(on) = write {
        model.status.flight_mode = *on;
        model.live = Live::Off;
        model.link = if *on { Link::NotTried } else { model.link };
    }
    let mut effects = read(model);
    if !matches!(write, Write::Dismiss(_)) {
        effects.extend(reach(model));
    }
    effects
}

/// A form stays open with the reason in it; what was typed is not lost.
fn not_saved(model: &mut Model, failure: &Failure) {
    let text = sentence(model, failure);
    if let Some(Overlay::Form(form)) = &mut model.overlay
        && form.is_saving
    {
        form.is_saving = false;
        form.error = Some(text);
        return;
    }
    model.tell(text, true);
}

fn synced(model: &mut Model, result: &SyncResult) -> Vec<Effect> {
    model.link = Link::Online;
    model.sync.running = None;
    tell_result(model, result);
    let is_asked = std::mem::take(&mut model.sync.is_asked);
    let words = model.words();
    // What only came in is seen where it stands; telling of it would hide what was told before.
    if result.sent > 0 || (is_asked && result.received > 0) {
        let mut text = fill(words.sync_done, &[&result.sent, &result.received]);
        if result.refused > 0 {
            text = format!("{text} {}", fill(words.sync_refused, &[&result.refused]));
        }
        model.tell(text, result.refused > 0);
    } else if is_asked {
        model.tell(words.sync_nothing, false);
    }
    let mut effects = read(model);
    if std::mem::take(&mut model.sync.again) {
        effects.extend(sync(model, false));
    } else if model.live != Live::On {
        model.sync.next = Some(model.now.plus_ms(POLL_MS));
    }
    effects
}

fn not_synced(model: &mut Model, failure: &Failure, result: &SyncResult) -> Vec<Effect> {
    model.sync.running = None;
    model.sync.again = false;
    tell_result(model, result);
    let is_asked = std::mem::take(&mut model.sync.is_asked);
    let before = model.link;
    model.link = link_after(failure, before);
    // A server that stays away is told of once.
    if is_asked || model.link != before {
        tell_failure(model, failure);
    }
    if may_reach(model) {
        model.sync.next = Some(model.now.plus_ms(RETRY_MS));
    }
    read(model)
}

fn link_after(failure: &Failure, before: Link) -> Link {
    match failure.code.as_str() {
        "offline" => Link::Offline,
        "sign_in_required" | "not_enrolled" | "actor_conflict" | "locked" => Link::SignIn,
        "device_revoked" | "account_not_active" | "device_wiped" => Link::ShutOut,
        "flight_mode" | "sync_in_progress" | "store_failed" | "storage_full" => before,
        _ => Link::Online,
    }
}

/// What became of intents, what left the phone, what came back.
fn tell_result(model: &mut Model, result: &SyncResult) {
    let words = model.words();
    for intent in &result.intents {
        let entry = model.entries.iter().find(|entry| entry.id == intent.id);
        let customer = entry.map_or_else(String::new, |entry| entry.customer_name.clone());
        let what = labels::name(intent.kind, model.language);
        if intent.is_accepted {
            model.tell(fill(words.intent_accepted, &[&customer, &what]), false);
        } else {
            let code = intent.reason.clone().unwrap_or_default();
            let reason = labels::reason(&code, model.language).map_or(code.clone(), str::to_owned);
            model.tell(fill(words.intent_rejected, &[&customer, &what, &reason]), true);
        }
    }
    if result.evicted > 0 {
        model.tell(fill(words.evicted, &[&result.evicted]), false);
    }
    if result.has_reset {
        model.tell(words.reset, false);
    }
}

fn hear(model: &mut Model, heard: Heard) -> Vec<Effect> {
    if !may_reach(model) {
        return Vec::new();
    }
    match heard {
        Heard::Open => {
            model.live = Live::On;
            model.link = Link::Online;
            sync(model, false).into_iter().collect()
        }
        Heard::Poke => sync(model, false).into_iter().collect(),
        Heard::Silence => Vec::new(),
    }
}

fn not_heard(model: &mut Model, failure: Option<&Failure>) -> Vec<Effect> {
    let pause = match failure {
        // The stream ends with its token; a new one is asked for at once.
        None => 0,
        Some(failure) => {
            let before = model.link;
            model.link = link_after(failure, before);
            if model.link != before {
                tell_failure(model, failure);
            }
            RETRY_MS
        }
    };
    model.live = if model.status.flight_mode {
        Live::Off
    } else {
        Live::WaitUntil(model.now.plus_ms(pause))
    };
    if model.sync.next.is_none() && model.sync.running.is_none() {
        model.sync.next = Some(model.now.plus_ms(POLL_MS));
    }
    Vec::new()
}

fn signed_in(model: &mut Model, name: &str) -> Vec<Effect> {
    model.overlay = None;
    model.status.enrolled = true;
    model.link = Link::Online;
    model.live = Live::Off;
    model.tell(fill(model.words().signed_in, &[&name]), false);
    let mut effects = read(model);
    effects.extend(reach(model));
    effects
}

fn tell_failure(model: &mut Model, failure: &Failure) {
    let text = sentence(model, failure);
    // The same thing is not said twice in a row.
    if model
        .notices
        .last()
        .is_none_or(|Notice { text: last, .. }| *last != text)
    {
        model.tell(text, true);
    } else {
        model.notice_until = model.now.plus_ms(NOTICE_MS);
    }
}

/// A failure as it is told: what to do, in the language of the screen.
fn sentence(model: &Model, failure: &Failure) -> String {
    let known = labels::reason(&failure.code, model.language);
    match (failure.code.as_str(), known) {
        // Only the engine knows which value does not fit.
        ("schema", Some(known)) => format!("{known} ({})", failure.message),
        (_, Some(known)) => known.to_owned(),
        (code, None) => fill(model.words().unknown_error, &[&code, &failure.message]),
    }
}
