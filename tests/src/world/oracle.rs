//! Who may read and write what, said again in a naive way straight from the tables: the answer the policy must give.
//! Nothing here asks `sync_core::visibility`.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::message::PullDocument,
};
use uuid::Uuid;

/// Looks one row up.
pub(super) fn one<T>(
    look: &Connection,
    sql: &str,
    of: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Option<T> {
    let mut statement = look.prepare_cached(sql).expect("a statement");
    statement.query_row(of, read).optional().expect("a look")
}

/// Looks rows up.
pub(super) fn all<T>(
    look: &Connection,
    sql: &str,
    of: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = look.prepare_cached(sql).expect("a statement");
    let rows = statement.query_map(of, read).expect("a look");
    rows.map(|row| row.expect("a row")).collect()
}

/// Counts.
pub(super) fn count(look: &Connection, sql: &str, of: impl Params) -> i64 {
    one(look, sql, of, |row| row.get(0)).unwrap_or(0)
}

/// How a device stands.
pub(super) struct Carrier {
    pub(super) user: UserId,
    /// It works, its person works here, and nobody has told it to erase itself.
    pub(super) may_get: bool,
}

pub(super) fn carrier(look: &Connection, device: DeviceId) -> Carrier {
    one(
        look,
        "SELECT d.user_id, d.state = 'active' AND d.wipe_ordered_at IS NULL AND u.state = 'active'
         FROM device d JOIN user_account u ON u.org_id = d.org_id AND u.user_id = d.user_id WHERE d.org_id = (SELECT org_id FROM organisation) AND d.device_id = ?1",
        [device.as_bytes()],
        |row| {
            let user: Vec<u8> = row.get(0)?;
            Ok(Carrier {
                user: UserId(Uuid::from_slice(&user).expect("an id")),
                may_get: row.get(1)?,
            })
        },
    )
    .expect("the device is enrolled")
}

pub(super) fn id_of(org: OrgId, document: &PullDocument, customer: CustomerId) -> DocumentId {
    document.document.unwrap_or_else(|| {
        let kind = Kind::from_number(document.kind).expect("a kind");
        DocumentId::derived(org, customer, kind, 0)
    })
}

struct Reader {
    id: Vec<u8>,
    role: String,
    team: Option<Vec<u8>>,
}

struct Place {
    customer: Vec<u8>,
    owner: Option<Vec<u8>>,
    pool: Option<Vec<u8>>,
    team: Option<Vec<u8>>,
}

struct Paper {
    place: Place,
    kind: Kind,
    author: Vec<u8>,
    responsible: Option<Vec<u8>>,
    checked_in_by: Option<Vec<u8>>,
}

fn reader(look: &Connection, user: UserId) -> Reader {
    one(
        look,
        "SELECT user_id, role, team_id FROM user_account
         WHERE org_id = (SELECT org_id FROM organisation) AND user_id = ?1",
        [user.as_bytes()],
        |row| {
            Ok(Reader {
                id: row.get(0)?,
                role: row.get(1)?,
                team: row.get(2)?,
            })
        },
    )
    .expect("a person")
}

fn paper(look: &Connection, document: DocumentId) -> Option<Paper> {
    one(
        look,
        "SELECT c.customer_id, c.owner_id, c.pool_id, c.team_id, d.kind, d.author_id, d.responsible_id,
                d.checked_in_by
         FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
         WHERE d.org_id = (SELECT org_id FROM organisation) AND d.document_id = ?1",
        [document.as_bytes()],
        |row| {
            Ok(Paper {
                place: place(row)?,
                kind: Kind::from_number(row.get::<_, u8>(4)?).expect("a kind"),
                author: row.get(5)?,
                responsible: row.get(6)?,
                checked_in_by: row.get(7)?,
            })
        },
    )
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        customer: row.get(0)?,
        owner: row.get(1)?,
        pool: row.get(2)?,
        team: row.get(3)?,
    })
}

/// Whether a person may read a document as things stand.
pub(super) fn may_read(look: &Connection, user: UserId, document: DocumentId) -> bool {
    let reader = reader(look, user);
    paper(look, document).is_some_and(|paper| reads(look, &reader, &paper))
}

/// Whether a person has anything to do with a customer.
pub(super) fn knows(look: &Connection, user: UserId, customer: CustomerId) -> bool {
    let reader = reader(look, user);
    let place = one(
        look,
        "SELECT customer_id, owner_id, pool_id, team_id FROM customer
         WHERE org_id = (SELECT org_id FROM organisation) AND customer_id = ?1",
        [customer.as_bytes()],
        place,
    );
    place.is_some_and(|place| {
        sees_all(&reader)
            || owns_or_leads(look, &reader, &place)
            || is_colleague(look, &reader, &place)
            || is_responsible(look, &place.customer, &reader.id)
    })
}

fn sees_all(reader: &Reader) -> bool {
    matches!(reader.role.as_str(), "back_office" | "admin" | "auditor" | "service")
}

fn owns_or_leads(look: &Connection, reader: &Reader, place: &Place) -> bool {
    place.owner.as_ref() == Some(&reader.id) || leads(look, reader, place)
}

/// In the pool in which the customer is, or in its owner's team.
fn is_colleague(look: &Connection, reader: &Reader, place: &Place) -> bool {
    let in_pool = place
        .pool
        .as_ref()
        .is_some_and(|pool| is_member(look, pool, &reader.id));
    in_pool || (place.team.is_some() && place.team == reader.team)
}

fn is_activity(kind: Kind) -> bool {
    matches!(kind, Kind::Visit | Kind::FollowUp | Kind::Ticket)
}

fn reads(look: &Connection, reader: &Reader, paper: &Paper) -> bool {
    let internal = paper.kind == Kind::Internal;
    let card = paper.kind == Kind::Card;
    let mine = paper.author == reader.id;
    match reader.role.as_str() {
        "back_office" | "admin" | "auditor" => return true,
        "service" => return !internal,
        "rep" | "manager" => {}
        _ => return false,
    }
    if paper.place.owner.as_ref() == Some(&reader.id) && !internal {
        return true;
    }
    if leads(look, reader, &paper.place) {
        return true;
    }
    // Members of the pool and of the owner's team see the card, and what they wrote themselves.
    if is_colleague(look, reader, &paper.place) && (card || (is_activity(paper.kind) && mine)) {
        return true;
    }
    // Whoever is responsible for a document reads it, the card and the contacts.
    if paper.responsible.as_ref() == Some(&reader.id) {
        return true;
    }
    let here = is_responsible(look, &paper.place.customer, &reader.id);
    // And of visits to that customer those in which he has checked in.
    let checked_in = paper.checked_in_by.as_ref() == Some(&reader.id);
    here && (card || paper.kind == Kind::Contact || checked_in)
}

/// Whether a person may write a document that is there, as things stand. Of visits those that are not his take his
/// comments only.
pub(super) fn may_write(look: &Connection, user: UserId, document: DocumentId, comments_only: bool) -> bool {
    let reader = reader(look, user);
    paper(look, document).is_some_and(|paper| writes(look, &reader, &paper, comments_only))
}

fn writes(look: &Connection, reader: &Reader, paper: &Paper, comments_only: bool) -> bool {
    let mine = paper.author == reader.id;
    let owns = paper.place.owner.as_ref() == Some(&reader.id);
    let in_charge = match &paper.responsible {
        Some(responsible) => *responsible == reader.id,
        None => owns,
    };
    // A visit is its author's, and of whoever was to make it until somebody has checked in.
    let his_visit = match &paper.checked_in_by {
        Some(somebody) => *somebody == reader.id,
        None => in_charge,
    };
    let as_writer = match paper.kind {
        Kind::Visit => mine || his_visit || comments_only,
        _ => true,
    };
    match reader.role.as_str() {
        "back_office" | "admin" => return as_writer,
        "service" => return paper.kind == Kind::Ticket,
        "rep" | "manager" => {}
        _ => return false,
    }
    if (owns && paper.kind != Kind::Internal) || leads(look, reader, &paper.place) {
        return as_writer;
    }
    if is_colleague(look, reader, &paper.place) && is_activity(paper.kind) && mine {
        return true;
    }
    let responsible = paper.responsible.as_ref() == Some(&reader.id);
    match paper.kind {
        Kind::Visit if is_responsible(look, &paper.place.customer, &reader.id) => {
            his_visit || (responsible && comments_only)
        }
        _ => responsible,
    }
}

/// Whether a card is that of a customer which its author has made, begun after a place in the log: he brings it also
/// where he may only read it.
pub(super) fn begins_card(look: &Connection, user: UserId, document: DocumentId, after: i64) -> bool {
    count(
        look,
        "SELECT COUNT(*) FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
         WHERE d.org_id = (SELECT org_id FROM organisation) AND d.document_id = ?1 AND d.kind = 1
           AND d.author_id = ?2 AND c.created_by = ?2 AND d.first_seq > ?3",
        params![document.as_bytes(), user.as_bytes(), after],
    ) > 0
}

/// The place at which a person last ceased to have anything to do with a customer: none if he never had, `i64::MAX`
/// while he has.
pub(super) fn last_end(look: &Connection, user: UserId, customer: CustomerId) -> Option<i64> {
    one(
        look,
        "SELECT MAX(MIN(IFNULL(m.to_seq, 9223372036854775807), IFNULL(v.to_seq, 9223372036854775807)))
         FROM scope_member m JOIN viewer_scope v ON v.org_id = m.org_id AND v.scope = m.scope
         WHERE v.org_id = (SELECT org_id FROM organisation) AND v.user_id = ?1 AND m.customer_id = ?2
           AND MAX(m.from_seq, v.from_seq)
               < MIN(IFNULL(m.to_seq, 9223372036854775807), IFNULL(v.to_seq, 9223372036854775807))",
        params![user.as_bytes(), customer.as_bytes()],
        |row| row.get(0),
    )
    .flatten()
}

/// The last loss of a customer that a device has confirmed.
pub(super) fn confirmed_loss(look: &Connection, device: DeviceId, customer: CustomerId) -> i64 {
    count(
        look,
        "SELECT IFNULL(MAX(lost_seq), 0) FROM eviction
         WHERE org_id = (SELECT org_id FROM organisation) AND device_id = ?1 AND customer_id = ?2
           AND confirmed_at IS NOT NULL",
        params![device.as_bytes(), customer.as_bytes()],
    )
}

fn leads(look: &Connection, reader: &Reader, place: &Place) -> bool {
    reader.role == "manager"
        && count(
            look,
            "SELECT COUNT(*) FROM team_closure WHERE org_id = (SELECT org_id FROM organisation) AND ancestor_id = ?1 AND descendant_id = ?2",
            params![reader.team, place.team],
        ) > 0
}

fn is_member(look: &Connection, pool: &[u8], user: &[u8]) -> bool {
    count(
        look,
        "SELECT COUNT(*) FROM pool_member WHERE org_id = (SELECT org_id FROM organisation) AND pool_id = ?1 AND user_id = ?2",
        [pool, user],
    ) > 0
}

fn is_responsible(look: &Connection, customer: &[u8], user: &[u8]) -> bool {
    count(
        look,
        "SELECT COUNT(*) FROM packed_document p JOIN document d ON d.org_id = p.org_id AND d.document_id = p.document_id
         WHERE p.org_id = (SELECT org_id FROM organisation) AND p.customer_id = ?1 AND d.responsible_id = ?2",
        [customer, user],
    ) > 0
}

/// What decides, in words for whoever reads a failure.
pub(super) fn explain(look: &Connection, user: UserId, document: DocumentId) -> String {
    let words = |sql: &str, of: &[u8]| -> Vec<String> {
        all(look, sql, [of], |row| {
            let columns = row.as_ref().column_count();
            let values = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    rusqlite::types::ValueRef::Blob(bytes) => hex::encode(bytes),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    _ => "-".to_owned(),
                })
            });
            Ok(values.collect::<rusqlite::Result<Vec<_>>>()?.join("/"))
        })
    };
    let document = document.as_bytes();
    format!(
        "person (login, role, state, team) {:?}\ndocument (kind, author, responsible, customer, owner, pool, team, late) \
         {:?}\nfeeds {:?}\nchanges (actor, place, seq, author, late) {:?}\nscopes {:?}\nhis {:?}",
        words(
            "SELECT login, role, state, team_id FROM user_account WHERE user_id = ?1",
            user.as_bytes()
        ),
        words(
            "SELECT d.kind, d.author_id, d.responsible_id, d.customer_id, c.owner_id, c.pool_id, c.team_id, d.late
             FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
             WHERE d.document_id = ?1",
            document
        ),
        words("SELECT feed, seq FROM feed WHERE document_id = ?1", document),
        words(
            "SELECT actor, log_seq, seq, author_id, late FROM change WHERE document_id = ?1 ORDER BY log_seq",
            document
        ),
        words(
            "SELECT scope, from_seq, to_seq FROM scope_member
             WHERE customer_id = (SELECT customer_id FROM document WHERE document_id = ?1) ORDER BY from_seq",
            document
        ),
        words(
            "SELECT scope, from_seq, to_seq FROM viewer_scope WHERE user_id = ?1 ORDER BY from_seq",
            user.as_bytes()
        ),
    )
}
