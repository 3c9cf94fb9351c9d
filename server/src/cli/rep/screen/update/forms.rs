//! Opening forms, and what saving them asks of the phone.

use sync_core::{
    document::{CHANNELS, FieldType, Kind, MapType},
    ids::{CustomerId, PoolId},
    protocol::message::IntentAction,
    time::Timestamp,
};

use super::super::{
    data::{Line, Organisation},
    form::{Form, Input, Purpose},
    labels,
    model::{Effect, Model, Overlay, Write},
    words::{Words, fill},
};

/// A visit recorded within so long after its check-in has ended now; one recorded later ended nobody knows when.
const VISIT_MS_MAX: i64 = 12 * 3_600_000;
/// How far the clock of the form may run ahead of what was typed: it has minutes only.
const MINUTE_MS: i64 = 60_000;

pub(super) fn open_visit(model: &mut Model, customer: CustomerId, name: &str) {
    let words = model.words();
    let now = model.organisation.instant(Some(model.now), "%Y-%m-%d %H:%M");
    let inputs = vec![
        Input::text("check_in", words.check_in, &now).hinted(words.time_hint),
        Input::text("purpose", words.purpose, ""),
        Input::text("note", words.note, ""),
        Input::text("outcome", words.outcome, ""),
        Input::text("next_date", words.next_date, "").hinted(words.date_hint),
    ];
    let mut form = Form::new(Purpose::Visit(customer), format!("{} · {name}", words.visit), inputs);
    // The time is right already in most cases.
    form.focus = 1;
    model.overlay = Some(Overlay::Form(form));
}

pub(super) fn open_follow_up(model: &mut Model, customer: CustomerId, name: &str) {
    let (words, language) = (model.words(), model.language);
    let mut channels = vec![(String::new(), words.none.to_owned())];
    channels.extend(
        CHANNELS
            .iter()
            .map(|word| ((*word).to_owned(), labels::name(word, language))),
    );
    let inputs = vec![
        Input::text("text", words.text, ""),
        Input::choice("channel", words.channel, channels, "").hinted(words.choice_hint),
        Input::text("due", words.due_date, "").hinted(words.date_hint),
    ];
    let title = format!("{} · {name}", words.follow_up);
    model.overlay = Some(Overlay::Form(Form::new(Purpose::FollowUp(customer), title, inputs)));
}

pub(super) fn open_new_customer(model: &mut Model) {
    let words = model.words();
    let mut stages = vec![(String::new(), words.none.to_owned())];
    stages.extend(model.organisation.choices(Kind::Card, "stage", model.language));
    let inputs = vec![
        Input::text("name", words.name, ""),
        Input::text("region", words.region, ""),
        Input::choice("stage", words.stage, stages, "").hinted(words.choice_hint),
        Input::text("needs", words.needs, ""),
    ];
    model.overlay = Some(Overlay::Form(Form::new(
        Purpose::NewCustomer,
        words.new_customer,
        inputs,
    )));
}

pub(super) fn open_release(model: &mut Model, customer: CustomerId, name: &str) {
    let words = model.words();
    let mut inputs = vec![Input::text("reason", words.reason, "")];
    if model.organisation.pools.len() > 1 {
        let pools = model.organisation.pools.iter();
        let mut choices = vec![(String::new(), words.none.to_owned())];
        choices.extend(pools.map(|(id, name)| (id.to_string(), name.clone())));
        inputs.push(Input::choice("pool", words.pool, choices, "").hinted(words.choice_hint));
    }
    let title = format!("{} · {name}", words.release);
    model.overlay = Some(Overlay::Form(Form::new(Purpose::Release(customer), title, inputs)));
}

pub(super) fn open_sign_in(model: &mut Model) {
    let words = model.words();
    let inputs = vec![
        Input::text("server", words.server, &model.status.server).hinted(words.server_hint),
        Input::text("login", words.login, &model.status.login),
        Input::secret("password", words.password),
    ];
    let mut form = Form::new(Purpose::SignIn, words.sign_in, inputs);
    form.focus = form
        .inputs
        .iter()
        .position(|input| form.value(input.key).is_empty())
        .unwrap_or(0);
    model.overlay = Some(Overlay::Form(form));
}

pub(super) fn open_edit(model: &mut Model, customer: CustomerId, line: &Line) {
    let (words, language) = (model.words(), model.language);
    let label = labels::field(&line.key, language);
    let choices = match line.value {
        FieldType::Bool => vec![
            ("true".to_owned(), words.yes.to_owned()),
            ("false".to_owned(), words.no.to_owned()),
        ],
        _ => model.organisation.choices(line.kind, &line.key, language),
    };
    let input = if choices.is_empty() {
        Input::text("value", label.as_str(), &line.text).hinted(match line.value {
            FieldType::Date => words.date_hint,
            FieldType::Instant => words.time_hint,
            FieldType::Map(MapType::Tags) => words.tags_hint,
            _ => "",
        })
    } else {
        let mut all = vec![(String::new(), words.none.to_owned())];
        all.extend(choices);
        Input::choice("value", label.as_str(), all, &line.text).hinted(words.choice_hint)
    };
    let purpose = Purpose::Edit {
        document: line.document,
        kind: line.kind,
        customer,
        key: line.key.clone(),
        before: line.text.clone(),
    };
    let title = format!("{} · {}", words.edit, labels::name(line.kind.name(), language));
    model.overlay = Some(Overlay::Form(Form::new(purpose, title, vec![input])));
}

/// Sends off the form that is open, or writes into it what is wrong.
pub(super) fn save(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Form(form)) = &model.overlay else {
        return Vec::new();
    };
    let saved = saved(form, &model.organisation, model.now, model.words());
    let Some(Overlay::Form(form)) = &mut model.overlay else {
        return Vec::new();
    };
    match saved {
        Ok(Some(effect)) => {
            form.error = None;
            form.is_saving = true;
            vec![effect]
        }
        Ok(None) => {
            model.overlay = None;
            Vec::new()
        }
        Err(error) => {
            form.error = Some(error);
            Vec::new()
        }
    }
}

/// What saving a form asks for; nothing if nothing was changed.
fn saved(form: &Form, organisation: &Organisation, now: Timestamp, words: &Words) -> Result<Option<Effect>, String> {
    let today = organisation.day(now);
    let write = match &form.purpose {
        Purpose::Visit(customer) => Write::Add {
            customer: *customer,
            kind: Kind::Visit,
            words: visit_words(form, organisation, now, words)?,
        },
        Purpose::FollowUp(customer) => {
            needed(form, "text", words.text, words)?;
            let mut said = said(form, &["text", "channel"]);
            said.extend(date_word("due", &form.value("due"), today, words)?);
            Write::Add {
                customer: *customer,
                kind: Kind::FollowUp,
                words: said,
            }
        }
        Purpose::NewCustomer => {
            needed(form, "name", words.name, words)?;
            Write::NewCustomer(said(form, &["name", "region", "stage", "needs"]))
        }
        Purpose::Release(customer) => {
            let reason = needed(form, "reason", words.reason, words)?;
            let pool: Option<PoolId> = form.value("pool").parse().ok();
            Write::Intend(*customer, IntentAction::Release { pool, reason })
        }
        Purpose::SignIn => return sign_in(form, words).map(Some),
        Purpose::Edit { before, .. } if form.value("value") == *before => return Ok(None),
        Purpose::Edit { .. } => edit(form, organisation, now, words)?,
    };
    Ok(Some(Effect::Write(write)))
}

fn sign_in(form: &Form, words: &Words) -> Result<Effect, String> {
    let server = needed(form, "server", words.server, words)?;
    if !(server.starts_with("http://") || server.starts_with("https://")) {
        return Err(words.bad_server.to_owned());
    }
    Ok(Effect::SignIn {
        server,
        login: needed(form, "login", words.login, words)?,
        password: needed(form, "password", words.password, words)?,
    })
}

fn visit_words(form: &Form, organisation: &Organisation, now: Timestamp, words: &Words) -> Result<Vec<String>, String> {
    let started = read_time(&form.value("check_in"), organisation, now).ok_or(words.bad_time)?;
    if started.since_ms(now) > MINUTE_MS {
        return Err(words.in_the_future.to_owned());
    }
    let started = started.min(now);
    needed(form, "note", words.note, words)?;
    let ended = if now.since_ms(started) <= VISIT_MS_MAX {
        now
    } else {
        started
    };
    let mut said_words = vec![format!("started_at={}", started.0), format!("ended_at={}", ended.0)];
    said_words.extend(said(form, &["note", "outcome"]));
    let today = organisation.day(now);
    said_words.extend(date_word("next_date", &form.value("next_date"), today, words)?);
    let purpose = form.value("purpose");
    if !purpose.is_empty() {
        said_words.push(format!("custom.purpose={purpose}"));
    }
    Ok(said_words)
}

fn edit(form: &Form, organisation: &Organisation, now: Timestamp, words: &Words) -> Result<Write, String> {
    let Purpose::Edit {
        document,
        kind,
        customer,
        key,
        before,
    } = &form.purpose
    else {
        return Err(words.not_editable.to_owned());
    };
    let value = form.value("value");
    let said = match kind.field(key).map(|field| field.value) {
        Some(FieldType::Map(MapType::Tags)) => tag_words(key, before, &value),
        Some(FieldType::Date) if !value.is_empty() => date_word(key, &value, organisation.day(now), words)?
            .into_iter()
            .collect(),
        Some(FieldType::Instant) if !value.is_empty() => {
            let instant = read_time(&value, organisation, now).ok_or(words.bad_time)?;
            vec![format!("{key}={}", instant.0)]
        }
        _ => vec![format!("{key}={value}")],
    };
    let is_of_customer = matches!(kind, Kind::Card | Kind::Dossier | Kind::Internal);
    Ok(if is_of_customer {
        Write::EditCustomer {
            customer: *customer,
            words: said.into_iter().map(|word| format!("{}.{word}", kind.name())).collect(),
        }
    } else {
        Write::Edit {
            document: *document,
            words: said,
            is_choice: false,
        }
    })
}

/// What must be added and what removed to get from one list of tags to another.
fn tag_words(key: &str, before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<_>, Vec<_>) = (before.split_whitespace().collect(), after.split_whitespace().collect());
    let added = after
        .iter()
        .filter(|tag| !before.contains(tag))
        .map(|tag| format!("{key}+={tag}"));
    let removed = before
        .iter()
        .filter(|tag| !after.contains(tag))
        .map(|tag| format!("{key}-={tag}"));
    added.chain(removed).collect()
}

/// Lines of the form that were filled in, as words of the command line.
fn said(form: &Form, keys: &[&str]) -> Vec<String> {
    let values = keys.iter().map(|key| (key, form.value(key)));
    let filled = values.filter(|(_, value)| !value.is_empty());
    filled.map(|(key, value)| format!("{key}={value}")).collect()
}

fn needed(form: &Form, key: &str, label: &str, words: &Words) -> Result<String, String> {
    let value = form.value(key);
    if value.is_empty() {
        return Err(fill(words.needed, &[&label]));
    }
    Ok(value)
}

fn date_word(key: &str, text: &str, today: jiff::civil::Date, words: &Words) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let date = match text.strip_prefix('+').map(str::parse::<i64>) {
        Some(days) => days.ok().and_then(|days| {
            let span = jiff::Span::new().try_days(days).ok()?;
            today.checked_add(span).ok()
        }),
        None => text.parse::<jiff::civil::Date>().ok(),
    };
    let date = date.ok_or(words.bad_date)?;
    Ok(Some(format!("{key}={date}")))
}

/// `YYYY-MM-DD HH:MM` or `HH:MM` of today, in the organisation's time zone.
fn read_time(text: &str, organisation: &Organisation, now: Timestamp) -> Option<Timestamp> {
    let whole = if text.contains('-') {
        text.to_owned()
    } else {
        format!("{} {text}", organisation.day(now))
    };
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", &whole).ok()?;
    let zoned = civil.to_zoned(organisation.zone.clone()).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}
