//! The list of customers: search, filters, pages, and a choice of rows to hand to somebody else.

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use sync_core::{
    directory::Choice,
    document::Kind,
    ids::{CustomerId, PoolId, TeamId, UserId},
    visibility::Role,
};
use uuid::Uuid;

use super::{
    devices,
    page::{Frame, show},
    text::{Clock, When, choice, choice_name},
    viewer::{Fields, Viewer, go_to},
    words::Words,
};
use crate::{
    actions::{
        ActionError,
        customers::{Listed, Wanted},
        overview::{self, COUNT_MAX, Overview},
    },
    app::App,
    http::{
        Problem,
        api::input::{bad_cursor, read_cursor, write_cursor},
    },
    storage::customers::{CustomerFilter, CustomerPlace},
};

/// Customers on one page: what fits into a glance and a few turns of the wheel.
const ROWS: i64 = 50;
/// Characters of a filter or of words looked for.
const TEXT_CHARS_MAX: usize = 200;
/// Days without contact from which a row says so louder, and loudest.
const QUIET_DAYS: [i64; 2] = [30, 60];
/// The names of filters in the address, in the order in which they stand there.
const FILTERS: [&str; 7] = ["q", "as", "owner", "team", "pool", "stage", "tier"];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/customers", get(list))
}

/// What the address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    values: Vec<(&'static str, String)>,
}

impl Asked {
    /// From the fields of an address. What is empty asks for nothing.
    pub(super) fn of(fields: &Fields) -> Result<Self, ActionError> {
        let mut values = Vec::new();
        for name in FILTERS {
            let Some(value) = fields.get(name) else { continue };
            if value.chars().count() > TEXT_CHARS_MAX || value.chars().any(char::is_control) {
                return Err(ActionError::invalid(format!(
                    "{name}: give one line of at most {TEXT_CHARS_MAX} characters"
                )));
            }
            values.push((name, value.to_owned()));
        }
        Ok(Self { values })
    }

    /// A filter's value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The same with one filter changed; an empty value takes it away.
    pub(super) fn but(&self, name: &'static str, value: &str) -> Self {
        let mut values: Vec<_> = self.values.iter().filter(|(key, _)| *key != name).cloned().collect();
        if !value.is_empty() {
            values.push((name, value.to_owned()));
        }
        values.sort_by_key(|(key, _)| FILTERS.iter().position(|filter| filter == key));
        Self { values }
    }

    /// Whether it asks for anything less than everything.
    pub(super) fn is_narrow(&self) -> bool {
        !self.values.is_empty()
    }

    /// The query of an address; empty for everything.
    pub(super) fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.values)
            .finish()
    }

    /// The address of the list.
    pub(super) fn path(&self) -> String {
        if self.is_narrow() {
            format!("/customers?{}", self.query())
        } else {
            "/customers".to_owned()
        }
    }

    /// As actions are asked.
    pub(super) fn wanted(&self) -> Result<Wanted, ActionError> {
        let text = |name| Some(self.get(name).to_owned()).filter(|value| !value.is_empty());
        Ok(Wanted {
            filter: CustomerFilter {
                owner: self.id("owner")?.map(UserId),
                team: self.id("team")?.map(TeamId),
                pool: self.id("pool")?.map(PoolId),
                stage: text("stage"),
                tier: text("tier"),
                ..CustomerFilter::default()
            },
            relation: text("as"),
            words: text("q"),
            after: None,
            limit: ROWS,
        })
    }

    fn id(&self, name: &str) -> Result<Option<Uuid>, ActionError> {
        match self.get(name) {
            "" => Ok(None),
            text => Uuid::parse_str(text)
                .map(Some)
                .map_err(|_| ActionError::invalid(format!("{name}: choose one from the list"))),
        }
    }
}

/// An entry of a filter.
struct Chosen {
    id: String,
    name: String,
    chosen: bool,
}

/// A view of the list.
struct Tab {
    name: String,
    path: String,
    current: bool,
}

struct Row {
    id: CustomerId,
    name: String,
    owner: Option<String>,
    pool: Option<String>,
    tier: Option<Mark>,
    stage: Option<Mark>,
    region: Option<String>,
    contact: Option<(When, String, &'static str)>,
    conflicts: i64,
}

/// A word with its place among the others, which decides how it looks.
pub(super) struct Mark {
    /// What is read.
    pub name: String,
    /// Its place; those that are not (any more) in the list come last.
    pub place: usize,
    /// How many there are.
    pub of: usize,
}

impl Mark {
    /// A stage or tier among those of the organisation.
    pub(super) fn of(choices: &[Choice], words: Words, id: &str) -> Self {
        let place = choices.iter().position(|choice| choice.id == id);
        Self {
            name: choice(choices, words, id),
            place: place.unwrap_or(choices.len()),
            of: choices.len(),
        }
    }

    /// How it looks: the first is the strongest.
    pub(super) fn tier_class(&self) -> &'static str {
        match self.place {
            0 => "tier tier-1",
            1 => "tier tier-2",
            _ => "tier",
        }
    }

    /// How far along it is, in five steps; the last one of all is the end.
    pub(super) fn stage_class(&self) -> &'static str {
        let steps = ["dot dot-1", "dot dot-2", "dot dot-3", "dot dot-4", "dot dot-5"];
        if self.place + 1 >= self.of {
            return "dot";
        }
        steps[(self.place * steps.len() / (self.of - 1).max(1)).min(steps.len() - 1)]
    }
}

/// What has just been done, as the address says after a form was sent.
#[derive(Default)]
pub(super) struct Handover {
    /// Customers handed over.
    pub done: Option<i64>,
    /// Customers that stayed where they were.
    pub stayed: i64,
    /// Why, of the most of them.
    pub why: String,
}

impl Handover {
    /// From an address.
    pub(super) fn of(fields: &Fields, words: Words) -> Self {
        let number = |name| fields.get(name).and_then(|value| value.parse::<i64>().ok());
        let code = fields.get("why").unwrap_or_default();
        let known = crate::actions::Code::ALL.iter().find(|known| known.as_str() == code);
        Self {
            done: number("handed"),
            stayed: number("stayed").unwrap_or(0),
            why: known.map_or_else(String::new, |code| Problem::from(*code).words(words.0).0.to_owned()),
        }
    }
}

#[derive(Template)]
#[template(path = "customers.html")]
struct ListPage {
    frame: Frame,
    asked: Asked,
    total: String,
    rows: Vec<Row>,
    tabs: Vec<Tab>,
    owners: Vec<Chosen>,
    teams: Vec<Chosen>,
    pools: Vec<Chosen>,
    stages: Vec<Chosen>,
    tiers: Vec<Chosen>,
    leads: bool,
    is_rep: bool,
    more: Option<String>,
    is_first: bool,
    all_label: String,
    handover: Handover,
    as_of: String,
    silent: i64,
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let asked = Asked::of(&fields)?;
    // An empty filter says nothing: the address without it is the one to keep.
    if fields.iter().any(|(_, value)| value.trim().is_empty()) {
        return Ok(go_to_plain(&asked.path()));
    }
    let mut wanted = asked.wanted()?;
    wanted.after = fields.get("after").map(read_place).transpose()?;
    let found = overview::list(&app.database, viewer.person.org, viewer.person.user, &wanted).await?;
    // A list is as fresh as the phones that it comes from.
    let silent = if found.leads {
        devices::count_silent(&app, &viewer).await?
    } else {
        0
    };
    let page = list_page(&app, &viewer, asked, &fields, found, silent);
    show(&viewer.visitor, &page)
}

// Followed by the page's script as well: it keeps the address where it ends.
fn go_to_plain(path: &str) -> Response {
    go_to(path, false)
}

fn list_page(app: &App, viewer: &Viewer, asked: Asked, fields: &Fields, found: Overview, silent: i64) -> ListPage {
    let (words, directory) = (viewer.words(), viewer.directory());
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let chosen = |name: &'static str, id: String, label: String| Chosen {
        chosen: asked.get(name) == id,
        name: label,
        id,
    };
    let mut owners: Vec<Chosen> = directory
        .people
        .iter()
        .map(|person| chosen("owner", person.id.to_string(), person.name.clone()))
        .collect();
    owners.sort_by(|one, other| one.name.cmp(&other.name));
    let choices = |name: &'static str, all: &[Choice]| -> Vec<Chosen> {
        all.iter()
            .map(|choice| chosen(name, choice.id.clone(), choice_name(choice, words)))
            .collect()
    };
    let next = found.page.next.as_ref().map(write_place);
    let more = next.map(|after| {
        let query = form_urlencoded::Serializer::new(asked.query())
            .append_pair("after", &after)
            .finish();
        format!("/customers?{query}")
    });
    let total = if found.total > COUNT_MAX {
        words.count("customers-count-more", COUNT_MAX)
    } else {
        words.count("customers-count", found.total)
    };
    ListPage {
        frame: Frame::of(viewer, words.say("customers-title"), "customers"),
        rows: found
            .page
            .items
            .iter()
            .map(|item| row(item, &found, viewer, &clock))
            .collect(),
        tabs: tabs(&asked, words),
        teams: directory
            .teams
            .iter()
            .map(|team| chosen("team", team.id.to_string(), team.name.clone()))
            .collect(),
        pools: directory
            .pools
            .iter()
            .map(|pool| chosen("pool", pool.id.to_string(), pool.name.clone()))
            .collect(),
        stages: choices("stage", &directory.settings.stages),
        tiers: choices("tier", &directory.settings.tiers),
        owners,
        leads: found.leads,
        is_rep: viewer.person.role == Role::Rep,
        more,
        is_first: fields.get("after").is_none(),
        all_label: words.count("select-all-matching", found.total.min(COUNT_MAX)),
        handover: Handover::of(fields, words),
        as_of: clock.time(),
        silent,
        asked,
        total,
    }
}

fn tabs(asked: &Asked, words: Words) -> Vec<Tab> {
    [
        ("", words.say("tab-all")),
        ("owner", words.say("tab-mine")),
        ("pool", words.say("tab-pool")),
    ]
    .into_iter()
    .map(|(relation, name)| Tab {
        name,
        path: asked.but("as", relation).path(),
        current: asked.get("as") == relation,
    })
    .collect()
}

fn row(item: &Listed, found: &Overview, viewer: &Viewer, clock: &Clock) -> Row {
    let (customer, words, directory) = (&item.customer, viewer.words(), viewer.directory());
    let settings = &directory.settings;
    let owner = customer.owner.and_then(|owner| found.page.people.get(&owner));
    let pool = customer
        .pool
        .and_then(|pool| directory.pools.iter().find(|entry| entry.id == pool));
    let contact = found.last_contact.get(&customer.id).map(|at| {
        let days = clock.days_since(*at);
        let class = match QUIET_DAYS {
            [_, long] if days >= long => "quiet quiet-long",
            [short, _] if days >= short => "quiet",
            _ => "",
        };
        (clock.at(*at), clock.ago(*at), class)
    });
    Row {
        id: customer.id,
        name: customer.name.clone(),
        owner: owner.map(|person| person.name.clone()),
        pool: pool.map(|pool| pool.name.clone()),
        tier: customer
            .tier
            .as_deref()
            .map(|tier| Mark::of(&settings.tiers, words, tier)),
        stage: customer
            .stage
            .as_deref()
            .map(|stage| Mark::of(&settings.stages, words, stage)),
        region: customer.region.clone(),
        contact,
        conflicts: found.conflicts.get(&customer.id).copied().unwrap_or(0),
    }
}

fn write_place(place: &CustomerPlace) -> String {
    write_cursor(&[place.id.as_bytes(), place.name.as_bytes()])
}

fn read_place(cursor: &str) -> Result<CustomerPlace, ActionError> {
    let bytes = read_cursor(cursor)?;
    let (id, name) = bytes.split_first_chunk::<16>().ok_or_else(bad_cursor)?;
    Ok(CustomerPlace {
        name: String::from_utf8(name.to_vec()).map_err(|_| bad_cursor())?,
        id: CustomerId::from_bytes(*id),
    })
}

/// The kinds of documents that a timeline shows.
pub(super) const TIMELINE: [Kind; 3] = [Kind::Visit, Kind::FollowUp, Kind::Ticket];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(&Fields::parse(query.as_bytes())).unwrap()
    }

    #[test]
    fn what_an_address_asks_for_is_written_back_in_one_order_and_without_what_is_empty() {
        let all = asked("tier=vip&q=%E5%8D%8E&owner=&as=pool&after=00");
        assert_eq!(all.query(), "q=%E5%8D%8E&as=pool&tier=vip");
        assert_eq!(all.but("as", "").query(), "q=%E5%8D%8E&tier=vip");
        assert_eq!(
            all.but("stage", "won").query(),
            "q=%E5%8D%8E&as=pool&stage=won&tier=vip"
        );
        assert_eq!(asked("q=").path(), "/customers");
    }

    #[test]
    fn a_filter_that_is_no_id_or_too_long_is_refused() {
        assert!(asked("owner=wang").wanted().is_err());
        let long = format!("q={}", "a".repeat(TEXT_CHARS_MAX + 1));
        assert!(Asked::of(&Fields::parse(long.as_bytes())).is_err());
    }

    #[test]
    fn stages_look_further_along_the_later_they_come_and_the_last_looks_ended() {
        let choices: Vec<Choice> = ["a", "b", "c", "d", "e", "f", "lost"]
            .map(|id| Choice::new(id, id, id))
            .into();
        let class = |id| Mark::of(&choices, Words(crate::http::problem::Language::English), id).stage_class();
        assert_eq!(
            ["a", "c", "f", "lost", "unknown"].map(class),
            ["dot dot-1", "dot dot-2", "dot dot-5", "dot", "dot"]
        );
    }
}
