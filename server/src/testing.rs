//! Databases and servers for tests, on both databases. Not part of the product's interface.

use std::{
    env,
    num::NonZeroU64,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use sync_core::{
    ids::{OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::Role,
};
use tempfile::TempDir;

use crate::{
    actions::{
        organisation::{add_organisation, add_pool, add_team},
        people::{NewPerson, add_person},
    },
    app::App,
    auth::PasswordCost,
    config::{Config, Limits},
    seam::Seam,
    storage::{Database, Tx},
};

/// Names a throw-away PostgreSQL server on which tests make and drop their databases.
pub const POSTGRES_VARIABLE: &str = "FIELDPOOL_TEST_POSTGRES";

/// When simulated tests begin: 2026-03-02 09:00 in Shanghai, a Monday.
pub const START: Timestamp = Timestamp(1_772_413_200_000);

/// An empty database of its own for one test; gone when it is dropped.
pub struct TestDatabase {
    /// `sqlite` or `postgres`.
    pub name: &'static str,
    /// The database.
    pub database: Database,
    /// For commands of their own process: `--data DIR` or `--database-url URL`.
    pub arguments: [String; 2],
    _guard: Guard,
}

enum Guard {
    Folder(#[expect(dead_code, reason = "removes the folder when dropped")] TempDir),
    Postgres { server: String, database: String },
}

/// One empty database of each kind. Without `FIELDPOOL_TEST_POSTGRES` only SQLite, and a line that says so.
///
/// # Panics
/// If a database cannot be made: the test cannot run.
pub async fn databases() -> Vec<TestDatabase> {
    let mut all = vec![sqlite().await];
    match env::var(POSTGRES_VARIABLE) {
        Ok(server) => all.push(postgres(server).await),
        Err(_) => eprintln!("skipped: {POSTGRES_VARIABLE} is not set"),
    }
    all
}

/// A server's state on an empty database, with a simulated clock and cheap passwords.
pub struct TestApp {
    /// `sqlite` or `postgres`.
    pub name: &'static str,
    /// The server's state.
    pub app: App,
    /// Its database.
    pub database: TestDatabase,
}

/// One server's state on each database; see [`databases`].
///
/// # Panics
/// If a database cannot be made: the test cannot run.
pub async fn apps() -> Vec<TestApp> {
    let mut all = Vec::new();
    for database in databases().await {
        all.push(app_on(database).await);
    }
    all
}

/// One server's state on SQLite only, for what does not touch the database.
///
/// # Panics
/// If a database cannot be made: the test cannot run.
pub async fn sqlite_app() -> TestApp {
    app_on(sqlite().await).await
}

/// What everybody's password is in tests.
pub const PASSWORD: &str = "correct horse";

impl TestApp {
    /// Adds an organisation.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn organisation(&self, name: &str) -> OrgId {
        add_organisation(&self.app, None, name, "Asia/Shanghai")
            .await
            .expect("an organisation is added")
    }

    /// Adds a team.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn team(&self, org: OrgId, name: &str, parent: Option<TeamId>) -> TeamId {
        add_team(&self.app, None, org, name, parent)
            .await
            .expect("a team is added")
    }

    /// Adds a pool.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn pool(&self, org: OrgId, name: &str) -> PoolId {
        add_pool(&self.app, None, org, name).await.expect("a pool is added")
    }

    /// Adds a person with [`PASSWORD`].
    ///
    /// # Panics
    /// If it is refused.
    pub async fn person(&self, org: OrgId, login: &str, role: Role, team: Option<TeamId>, pools: &[PoolId]) -> UserId {
        let person = NewPerson {
            login: login.to_owned(),
            name: login.to_uppercase(),
            email: None,
            role,
            team,
            pools: pools.iter().map(|pool| (*pool, false)).collect(),
        };
        add_person(&self.app, None, org, &person, Some(PASSWORD))
            .await
            .expect("a person is added")
    }
}

/// Runs one statement by itself, as somebody with the database's password might.
///
/// # Panics
/// If the database refuses.
pub async fn execute_sql(database: &Database, statement: &str) {
    let mut tx = database.write().await.expect("a transaction begins");
    let statement = AssertSqlSafe(statement.to_owned());
    let done = match &mut tx {
        Tx::Sqlite(tx) => sqlx::query(statement).execute(&mut **tx).await.map(|_| ()),
        Tx::Postgres(tx) => sqlx::query(statement).execute(&mut **tx).await.map(|_| ()),
    };
    done.expect("the statement runs");
    tx.commit().await.expect("it is committed");
}

async fn app_on(database: TestDatabase) -> TestApp {
    let seam = Seam::simulated(1, START);
    let config = Config {
        password_cost: PasswordCost::for_tests(),
        limits: Limits {
            tried_every: NonZeroU64::MIN,
            ..Limits::default()
        },
        ..Config::default()
    };
    let app = App::new(database.database.clone(), seam, config)
        .await
        .expect("a server starts");
    TestApp {
        name: database.name,
        app,
        database,
    }
}

async fn sqlite() -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = Database::open_sqlite(folder.path(), false)
        .await
        .expect("an embedded database opens");
    let arguments = ["--data".to_owned(), folder.path().display().to_string()];
    TestDatabase {
        name: "sqlite",
        database,
        arguments,
        _guard: Guard::Folder(folder),
    }
}

async fn postgres(server: String) -> TestDatabase {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        "fp_{}_{number}_{}",
        std::process::id(),
        hex::encode(Seam::real().random::<4>())
    );
    execute(&server, format!("CREATE DATABASE {name}"))
        .await
        .expect("a database is made");
    let (base, options) = match server.split_once('?') {
        Some((base, options)) => (base, format!("?{options}")),
        None => (server.as_str(), String::new()),
    };
    let (base, _) = base.rsplit_once('/').expect("the URL ends in the name of a database");
    let url = format!("{base}/{name}{options}");
    let database = Database::open_postgres(&url)
        .await
        .expect("a PostgreSQL database opens");
    TestDatabase {
        name: "postgres",
        database,
        arguments: ["--database-url".to_owned(), url],
        _guard: Guard::Postgres { server, database: name },
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Self::Postgres { server, database } = self else {
            return;
        };
        let statement = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        let server = server.clone();
        // A thread of its own: the test's runtime may be about to end. What is left over goes with the cluster.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(execute(&server, statement))
                .map_err(std::io::Error::other)
        })
        .join();
    }
}

async fn execute(server: &str, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}
