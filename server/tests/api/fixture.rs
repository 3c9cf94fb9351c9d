//! A small company with rows as the log writes them, made by hand so that reading is tested by itself.

use serde_json::Value;
use server::{
    actions::{
        covers::{CoverOrder, begin},
        handovers::{Order, hand_over},
        organisation,
        ownership::Asker,
        people::{self, NewPerson},
    },
    app::App,
    auth::{SESSION_MS, SessionToken, to_base64url},
    seam::Seam,
    storage::{
        Database, Tx, devices,
        packed::{self, PackedDocument},
        proposals::{self, ProposalRow},
        sessions,
    },
    testing::START,
};
use sync_core::{
    document::{BuiltChange, ChangeId, Document, Kind, edits_from_json},
    hub::{PlanEntry, Portion, Successor},
    ids::{ActorId, CoverId, CustomerId, DeviceId, DocumentId, HandoverId, OrgId, PoolId, TeamId, UserId},
    visibility::{CustomerFacts, Role, Scope, customer_scopes, document_feeds, document_scopes, feeds_of},
};
use uuid::Uuid;

/// Runs one statement on either database.
macro_rules! execute {
    ($tx:expr, $sql:expr, $($bound:expr),* $(,)?) => {
        match $tx {
            Tx::Sqlite(tx) => sqlx::query($sql)$(.bind($bound))*.execute(&mut **tx).await.map(drop),
            Tx::Postgres(tx) => sqlx::query($sql)$(.bind($bound))*.execute(&mut **tx).await.map(drop),
        }
        .expect("the fixture's row is written")
    };
}

/// One organisation under construction.
pub(crate) struct Company {
    pub(crate) app: App,
    pub(crate) database: Database,
    pub(crate) seam: Seam,
    pub(crate) org: OrgId,
}

impl Company {
    pub(crate) async fn new(app: &App, name: &str) -> Self {
        let org = organisation::add_organisation(app, None, name, "Asia/Shanghai")
            .await
            .unwrap();
        Self {
            app: app.clone(),
            database: app.database.clone(),
            seam: app.seam.clone(),
            org,
        }
    }

    pub(crate) async fn team(&self, name: &str) -> TeamId {
        organisation::add_team(&self.app, None, self.org, name, None)
            .await
            .unwrap()
    }

    pub(crate) async fn pool(&self, name: &str) -> PoolId {
        organisation::add_pool(&self.app, None, self.org, name).await.unwrap()
    }

    pub(crate) async fn user(&self, login: &str, role: Role, team: Option<TeamId>, pools: &[(PoolId, bool)]) -> UserId {
        let person = NewPerson {
            login: login.to_owned(),
            name: format!("{login} (name)"),
            email: None,
            role,
            team,
            pools: pools.to_vec(),
        };
        people::add_person(&self.app, None, self.org, &person, None)
            .await
            .unwrap()
    }

    /// A session's token.
    pub(crate) async fn token(&self, user: UserId) -> String {
        let text = to_base64url(&self.seam.random::<32>());
        let token = SessionToken::parse(&text).expect("the text of a token");
        let mut tx = self.database.write().await.unwrap();
        let expires_at = self.seam.now().plus_ms(SESSION_MS);
        sessions::insert(&mut tx, self.org, user, token.sha256(), self.seam.now(), expires_at)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        text
    }

    /// An enrolled device.
    pub(crate) async fn device(&self, user: UserId, name: &str) -> DeviceId {
        let device = DeviceId(self.seam.uuid());
        let mut tx = self.database.write().await.unwrap();
        devices::insert(
            &mut tx,
            self.org,
            devices::NewDevice {
                device,
                user,
                name,
                public_key: &[7; 32],
                app_version: "",
                enrolled_at: self.seam.now(),
            },
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        device
    }

    /// Everything that an administrator owns, handed to somebody by himself.
    pub(crate) async fn handover(&self, from: UserId, to: UserId) -> HandoverId {
        let asker = Asker {
            org: self.org,
            user: from,
            device: None,
        };
        let plan = vec![PlanEntry {
            to: Successor::Person(to),
            portion: Portion::Share(1),
        }];
        let order = Order {
            from,
            plan,
            reason: String::new(),
        };
        let report = hand_over(&self.app, asker, &order).await.unwrap();
        report.id.expect("it was done")
    }

    /// Somebody who stands in for another until tomorrow, given by an administrator of it who is `of` himself.
    pub(crate) async fn cover(&self, of: UserId, by: UserId) -> CoverId {
        let asker = Asker {
            org: self.org,
            user: of,
            device: None,
        };
        let order = CoverOrder {
            of,
            by,
            until: self.seam.now().plus_ms(24 * 60 * 60 * 1000),
            customers: None,
            reason: String::new(),
        };
        begin(&self.app, asker, &order).await.unwrap().row.id
    }

    /// An order to drop a customer that the device has not confirmed.
    pub(crate) async fn eviction(&self, device: DeviceId, customer: CustomerId) {
        let mut tx = self.database.write().await.unwrap();
        execute!(
            &mut tx,
            "INSERT INTO eviction (org_id, device_id, customer_id, lost_seq, ordered_at) VALUES ($1, $2, $3, 1, $4)",
            self.org.0,
            device.0,
            customer.0,
            START.0
        );
        tx.commit().await.unwrap();
    }

    /// A quarantined change that sets a field of a document.
    pub(crate) async fn quarantined(&self, customer: CustomerId, kind: Kind, author: UserId, fields: Value) -> Uuid {
        let (ticket, actor) = (self.seam.uuid(), ActorId(self.seam.random()));
        let mut document = Document::new(kind);
        let edits = edits_from_json(document.state(), fields.as_object().unwrap()).unwrap();
        let built = document.edit(actor, START, &edits).unwrap().unwrap();
        let mut tx = self.database.write().await.unwrap();
        execute!(
            &mut tx,
            "INSERT INTO refusal (org_id, document_id, actor, seq, customer_id, kind, verdict, reason, ticket_id, \
             body_sha256, body, author_id, device_time, received_at) \
             VALUES ($1, $2, $3, 1, $4, $5, 'quarantined', 'claim_lost', $6, $10, $7, $8, $9, $9)",
            self.org.0,
            self.seam.uuid(),
            actor.0.to_vec(),
            customer.0,
            i16::from(kind.number()),
            ticket,
            built.body,
            author.0,
            START.0,
            vec![7_u8; 32]
        );
        tx.commit().await.unwrap();
        ticket
    }

    /// A late value of `author` that waits for a field of a document.
    pub(crate) async fn proposal(
        &self,
        customer: CustomerId,
        document: DocumentId,
        kind: Kind,
        author: UserId,
        (field, value): (&str, Value),
    ) -> Uuid {
        let id = self.seam.uuid();
        let row = ProposalRow {
            id,
            customer,
            document,
            kind,
            field: field.to_owned(),
            entry: None,
            value,
            change: ChangeId {
                actor: ActorId(self.seam.random()),
                seq: 1,
            },
            author,
            device: None,
            device_time: START,
            received_at: START,
        };
        let mut tx = self.database.write().await.unwrap();
        proposals::insert(&mut tx, self.org, &[&row], START).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Writes the changes of a real document in place of the fixture's empty ones.
    pub(crate) async fn rewrite_changes(&self, document: DocumentId, changes: &[(BuiltChange, UserId, DeviceId)]) {
        let mut tx = self.database.write().await.unwrap();
        execute!(
            &mut tx,
            "DELETE FROM change WHERE org_id = $1 AND document_id = $2",
            self.org.0,
            document.0
        );
        for (built, author, device) in changes {
            let seq = self.next_seq(&mut tx).await;
            execute!(
                &mut tx,
                "INSERT INTO change (org_id, document_id, actor, seq, log_seq, customer_id, kind, hash, start_op, op_count, \
                 dependencies, body, author_id, device_id, device_time, received_at, late) \
                 SELECT org_id, document_id, $3, $4, $5, customer_id, kind, $6, $7, 1, $8, $9, $10, $11, $12, $13, late \
                 FROM document WHERE org_id = $1 AND document_id = $2",
                self.org.0,
                document.0,
                built.change.actor.0.to_vec(),
                i64::try_from(built.change.seq).unwrap(),
                seq,
                built.hash.0.to_vec(),
                i64::try_from(built.start_op).unwrap(),
                Vec::<u8>::new(),
                built.body.clone(),
                author.0,
                device.0,
                built.change.time.0,
                self.seam.now().0
            );
        }
        tx.commit().await.unwrap();
    }

    /// A customer with its card.
    pub(crate) async fn customer(
        &self,
        name: &str,
        owner: Option<UserId>,
        pool: Option<PoolId>,
        team: Option<TeamId>,
    ) -> CustomerId {
        let customer = CustomerId(self.seam.uuid());
        let mut tx = self.database.write().await.unwrap();
        let seq = self.next_seq(&mut tx).await;
        execute!(
            &mut tx,
            "INSERT INTO customer (org_id, customer_id, owner_id, pool_id, team_id, assignment_version, assigned_seq, \
             created_seq, created_by, created_at, name) VALUES ($1, $2, $3, $4, $5, 1, $6, $6, $7, $8, $9)",
            self.org.0,
            customer.0,
            owner.map(|id| id.0),
            pool.map(|id| id.0),
            team.map(|id| id.0),
            seq,
            owner.map_or(Uuid::nil(), |id| id.0),
            START.0,
            name
        );
        let facts = CustomerFacts {
            owner,
            pool,
            team,
            collaborators: Vec::new(),
        };
        for scope in customer_scopes(&facts, self.org) {
            execute!(
                &mut tx,
                "INSERT INTO scope_member (org_id, scope, customer_id, from_seq) VALUES ($1, $2, $3, $4)",
                self.org.0,
                scope.to_bytes().to_vec(),
                customer.0,
                seq
            );
        }
        execute!(
            &mut tx,
            "INSERT INTO ownership_event (org_id, seq, customer_id, event, by_user_id, to_owner_id, to_pool_id, reason, at) \
             VALUES ($1, $2, $3, 'create', $4, $5, $6, '', $7)",
            self.org.0,
            seq,
            customer.0,
            owner.map_or(Uuid::nil(), |id| id.0),
            owner.map(|id| id.0),
            pool.map(|id| id.0),
            START.0
        );
        tx.commit().await.unwrap();
        let author = owner.unwrap_or(UserId(Uuid::nil()));
        self.document(customer, Kind::Card, author, serde_json::json!({ "name": name }))
            .await;
        customer
    }

    /// A document with one change, written to the feeds of its customer's scopes.
    pub(crate) async fn document(&self, customer: CustomerId, kind: Kind, author: UserId, fields: Value) -> DocumentId {
        let document = if kind.is_single() {
            DocumentId::derived(self.org, customer, kind, 0)
        } else {
            DocumentId(self.seam.uuid())
        };
        let mut tx = self.database.write().await.unwrap();
        let seq = self.next_seq(&mut tx).await;
        execute!(
            &mut tx,
            "INSERT INTO document (org_id, document_id, customer_id, kind, generation, author_id, version, first_seq, \
             last_seq, created_at, received_at, late, checked_in_by, fields) \
             VALUES ($1, $2, $3, $4, 0, $5, 1, $6, $6, $7, $7, $8, NULL, $9)",
            self.org.0,
            document.0,
            customer.0,
            i16::from(kind.number()),
            author.0,
            seq,
            START.0,
            false,
            fields.to_string()
        );
        self.change(&mut tx, document, customer, kind, author, seq).await;
        let packed = PackedDocument {
            document,
            kind,
            author,
            responsible: None,
            checked_in_by: None,
            changes: None,
        };
        packed::put(&mut tx, self.org, customer, &packed).await.unwrap();
        tx.commit().await.unwrap();
        document
    }

    /// Another value of a document's fields, by another change.
    pub(crate) async fn edit(
        &self,
        customer: CustomerId,
        document: DocumentId,
        kind: Kind,
        author: UserId,
        fields: Value,
    ) {
        let mut tx = self.database.write().await.unwrap();
        let seq = self.next_seq(&mut tx).await;
        execute!(
            &mut tx,
            "UPDATE document SET fields = $3, version = version + 1, last_seq = $4 WHERE org_id = $1 AND document_id = $2",
            self.org.0,
            document.0,
            fields.to_string(),
            seq
        );
        self.change(&mut tx, document, customer, kind, author, seq).await;
        tx.commit().await.unwrap();
    }

    async fn change(
        &self,
        tx: &mut Tx,
        document: DocumentId,
        customer: CustomerId,
        kind: Kind,
        author: UserId,
        seq: i64,
    ) {
        execute!(
            tx,
            "INSERT INTO change (org_id, document_id, actor, seq, log_seq, customer_id, kind, hash, start_op, op_count, \
             dependencies, body, author_id, device_time, received_at, late) \
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, 1, 1, $8, $8, $9, $10, $10, $11)",
            self.org.0,
            document.0,
            author.0.as_bytes().to_vec(),
            seq,
            customer.0,
            i16::from(kind.number()),
            self.seam.random::<32>().to_vec(),
            Vec::<u8>::new(),
            author.0,
            START.0,
            false
        );
        let scopes = self.scopes_of(tx, customer).await;
        let mut feeds = feeds_of(&scopes, kind);
        feeds.extend(document_feeds(&document_scopes(kind, author, None, false)));
        feeds.sort_unstable();
        feeds.dedup();
        for feed in feeds {
            execute!(
                tx,
                "INSERT INTO feed (org_id, feed, seq, document_id) VALUES ($1, $2, $3, $4)",
                self.org.0,
                feed.to_vec(),
                seq,
                document.0
            );
        }
    }

    async fn scopes_of(&self, tx: &mut Tx, customer: CustomerId) -> Vec<Scope> {
        const SQL: &str = "SELECT scope FROM scope_member WHERE org_id = $1 AND customer_id = $2 AND to_seq IS NULL";
        let rows: Vec<(Vec<u8>,)> = match tx {
            Tx::Sqlite(tx) => {
                sqlx::query_as(SQL)
                    .bind(self.org.0)
                    .bind(customer.0)
                    .fetch_all(&mut **tx)
                    .await
            }
            Tx::Postgres(tx) => {
                sqlx::query_as(SQL)
                    .bind(self.org.0)
                    .bind(customer.0)
                    .fetch_all(&mut **tx)
                    .await
            }
        }
        .unwrap();
        rows.iter().map(|(scope,)| Scope::from_bytes(scope).unwrap()).collect()
    }

    async fn next_seq(&self, tx: &mut Tx) -> i64 {
        const SQL: &str = "UPDATE log_head SET head = head + 1 WHERE org_id = $1 RETURNING head";
        let (head,): (i64,) = match tx {
            Tx::Sqlite(tx) => sqlx::query_as(SQL).bind(self.org.0).fetch_one(&mut **tx).await,
            Tx::Postgres(tx) => sqlx::query_as(SQL).bind(self.org.0).fetch_one(&mut **tx).await,
        }
        .unwrap();
        head
    }
}
