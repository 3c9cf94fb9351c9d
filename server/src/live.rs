//! Pokes: a connected phone or page is told that something it may read has changed, and nothing more.
//!
//! One loop for all clients of this node reads how far the logs of their organisations reach; when one has moved, it
//! asks which feeds and scopes of the connected people were touched. Rights are as of that moment: who has lost a
//! customer is not poked for it, and who does not work here any more is disconnected. The loop runs only while
//! somebody is connected. A client connects first and then syncs: what happened before is not poked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sync_core::{
    ids::{OrgId, UserId},
    visibility::may_read,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{ActionError, Code},
    storage::{Database, StorageError, Tx, reading, viewers},
};

/// How often the logs of connected organisations are looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// Connections of one person: his phones and open pages.
const CLIENTS_PER_USER_MAX: usize = 16;
/// Keys of one statement: each is a parameter of it.
const KEYS_PER_STATEMENT: usize = 500;

/// The connected clients of this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    clients: Mutex<Clients>,
    closed: CancellationToken,
}

#[derive(Default)]
struct Clients {
    next: u64,
    runs: bool,
    by_number: BTreeMap<u64, Client>,
}

struct Client {
    org: OrgId,
    user: UserId,
    // The log up to here is not news.
    seen: i64,
    poke: mpsc::Sender<()>,
}

/// One client's end: yields a poke at a time and is forgotten when dropped.
pub struct Subscription {
    live: Live,
    number: u64,
    seen: i64,
    pokes: mpsc::Receiver<()>,
}

impl Live {
    /// Connects a client of a person.
    ///
    /// # Errors
    /// `rate_limited` for too many connections of one person, `overloaded` while the server stops, or the database's.
    pub async fn subscribe(&self, database: &Database, org: OrgId, user: UserId) -> Result<Subscription, ActionError> {
        let seen = find_head(database, org).await?;
        if self.0.closed.is_cancelled() {
            return Err(ActionError::refused(Code::Overloaded).retry_after(1));
        }
        let mut clients = self.clients();
        if clients
            .by_number
            .values()
            .filter(|client| client.org == org && client.user == user)
            .count()
            >= CLIENTS_PER_USER_MAX
        {
            return Err(ActionError::refused(Code::RateLimited).retry_after(60));
        }
        let number = clients.next;
        clients.next += 1;
        // Room for one: a second poke before the first was read says nothing new.
        let (poke, pokes) = mpsc::channel(1);
        clients.by_number.insert(number, Client { org, user, seen, poke });
        if !clients.runs {
            clients.runs = true;
            tokio::spawn(watch(self.clone(), database.clone()));
        }
        Ok(Subscription {
            live: self.clone(),
            number,
            seen,
            pokes,
        })
    }

    /// Looks once, as the loop does every quarter of a second.
    ///
    /// # Errors
    /// The database's.
    #[doc(hidden)]
    pub async fn look_now(&self, database: &Database) -> Result<(), StorageError> {
        look(self, database, &mut Knowledge::new()).await
    }

    /// Disconnects everybody and lets nobody in any more: the server stops.
    pub fn close(&self) {
        self.0.closed.cancel();
        self.clients().by_number.clear();
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Where the organisation's log ended when the client connected: later changes are poked about.
    #[must_use]
    pub fn seen(&self) -> i64 {
        self.seen
    }

    /// Whether a poke is pending; takes it.
    #[doc(hidden)]
    pub fn try_poked(&mut self) -> bool {
        self.pokes.try_recv().is_ok()
    }

    /// Waits for a poke. `None`: the connection is to be ended.
    pub async fn poked(&mut self) -> Option<()> {
        self.pokes.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.clients().by_number.remove(&self.number);
    }
}

/// Where an organisation's log ends.
///
/// # Errors
/// The database's.
pub async fn find_head(database: &Database, org: OrgId) -> Result<i64, StorageError> {
    let mut tx = database.read().await?;
    let heads = reading::list_heads(&mut tx, &[org]).await?;
    Ok(heads.first().map_or(0, |(_, head)| *head))
}

// What is known of a person between rounds; read again when the version of his rights has changed.
struct Known {
    acl_version: i64,
    reads_log: bool,
    feeds: Vec<Vec<u8>>,
    scopes: Vec<Vec<u8>>,
}

type Knowledge = BTreeMap<(OrgId, UserId), Known>;

async fn watch(live: Live, database: Database) {
    let mut knowledge = Knowledge::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = live.0.closed.cancelled() => return,
        }
        {
            let mut clients = live.clients();
            if clients.by_number.is_empty() {
                clients.runs = false;
                return;
            }
        }
        if let Err(error) = look(&live, &database, &mut knowledge).await {
            tracing::warn!(error = %error, "cannot look for changes to poke about; it is tried again");
        }
    }
}

async fn look(live: &Live, database: &Database, knowledge: &mut Knowledge) -> Result<(), StorageError> {
    let orgs: BTreeSet<OrgId> = live.clients().by_number.values().map(|client| client.org).collect();
    let orgs: Vec<OrgId> = orgs.into_iter().collect();
    let mut tx = database.read().await?;
    let heads = reading::list_heads(&mut tx, &orgs).await?;
    for (org, head) in heads {
        // As a rule all clients have seen the same; one that came in between makes a group of its own.
        let mut groups: BTreeMap<i64, BTreeSet<UserId>> = BTreeMap::new();
        for client in live
            .clients()
            .by_number
            .values()
            .filter(|client| client.org == org && client.seen < head)
        {
            groups.entry(client.seen).or_default().insert(client.user);
        }
        for (seen, users) in groups {
            let touched = touched_users(&mut tx, org, &users, seen, head, knowledge).await?;
            let mut clients = live.clients();
            clients.by_number.retain(|_, client| {
                client.org != org || !users.contains(&client.user) || knowledge.contains_key(&(org, client.user))
            });
            for client in clients.by_number.values_mut() {
                if client.org == org && client.seen == seen && users.contains(&client.user) {
                    client.seen = head;
                    if touched.contains(&client.user) {
                        // Full: a poke is pending already.
                        let _ = client.poke.try_send(());
                    }
                }
            }
        }
    }
    let connected: BTreeSet<(OrgId, UserId)> = live
        .clients()
        .by_number
        .values()
        .map(|client| (client.org, client.user))
        .collect();
    knowledge.retain(|key, _| connected.contains(key));
    Ok(())
}

async fn touched_users(
    tx: &mut Tx,
    org: OrgId,
    users: &BTreeSet<UserId>,
    seen: i64,
    head: i64,
    knowledge: &mut Knowledge,
) -> Result<BTreeSet<UserId>, StorageError> {
    let mut touched = learn(tx, org, users, knowledge).await?;
    let (mut feeds, mut scopes) = (BTreeSet::new(), BTreeSet::new());
    for user in users {
        let Some(known) = knowledge.get(&(org, *user)) else {
            continue;
        };
        if known.reads_log {
            touched.insert(*user);
        } else {
            feeds.extend(known.feeds.iter().cloned());
            scopes.extend(known.scopes.iter().cloned());
        }
    }
    let (feeds, scopes): (Vec<_>, Vec<_>) = (feeds.into_iter().collect(), scopes.into_iter().collect());
    let (mut feeds_touched, mut scopes_moved) = (BTreeSet::new(), BTreeSet::new());
    for chunk in feeds.chunks(KEYS_PER_STATEMENT) {
        feeds_touched.extend(reading::list_touched_feeds(tx, org, chunk, seen, head).await?);
    }
    for chunk in scopes.chunks(KEYS_PER_STATEMENT) {
        scopes_moved.extend(reading::list_moved_scopes(tx, org, chunk, seen, head).await?);
    }
    for user in users {
        let Some(known) = knowledge.get(&(org, *user)) else {
            continue;
        };
        if known.feeds.iter().any(|feed| feeds_touched.contains(feed))
            || known.scopes.iter().any(|scope| scopes_moved.contains(scope))
        {
            touched.insert(*user);
        }
    }
    Ok(touched)
}

// Brings what is known of people up to date; those whose rights have changed are returned, those who do not work here
// (any more) are not known afterwards.
async fn learn(
    tx: &mut Tx,
    org: OrgId,
    users: &BTreeSet<UserId>,
    knowledge: &mut Knowledge,
) -> Result<BTreeSet<UserId>, StorageError> {
    let mut changed = BTreeSet::new();
    let wanted: Vec<UserId> = users.iter().copied().collect();
    let mut viewers_now = BTreeMap::new();
    for chunk in wanted.chunks(KEYS_PER_STATEMENT) {
        for (viewer, acl_version) in viewers::list_viewers(tx, org, chunk).await? {
            viewers_now.insert(viewer.user, (viewer, acl_version));
        }
    }
    for user in wanted {
        let Some((viewer, acl_version)) = viewers_now.get(&user).filter(|(viewer, _)| may_read(viewer.state)) else {
            knowledge.remove(&(org, user));
            continue;
        };
        let before = knowledge.get(&(org, user)).map(|known| known.acl_version);
        if before == Some(*acl_version) {
            continue;
        }
        if before.is_some() {
            changed.insert(user);
        }
        let scopes = viewers::list_viewer_scopes(tx, org, user).await?;
        let known = Known {
            acl_version: *acl_version,
            reads_log: scopes.iter().any(sync_core::visibility::ViewerScope::reads_log),
            feeds: scopes
                .iter()
                .filter_map(|held| held.feed(viewer.role))
                .map(Vec::from)
                .collect(),
            scopes: scopes.iter().map(|held| held.scope.to_bytes().to_vec()).collect(),
        };
        knowledge.insert((org, user), known);
    }
    Ok(changed)
}
