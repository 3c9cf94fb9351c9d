//! Which database a command works on.

use std::path::PathBuf;

use crate::{cli::Usage, storage::Database};

/// `--data DIR | --database-url URL`.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// Folder of the embedded database (and of the server's files); made if it is missing
    #[arg(long, value_name = "DIR", global = true, env = "FIELDPOOL_DATA")]
    pub data: Option<PathBuf>,
    /// PostgreSQL 15 or later instead of the embedded database: postgres://user@host/database
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "FIELDPOOL_DATABASE_URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
}

impl Target {
    /// Opens the database. `exclusive` is for servers: one at a time on an embedded database.
    ///
    /// # Errors
    /// [`Usage`] if neither is given; otherwise what keeps it from opening.
    pub async fn open(&self, exclusive: bool) -> anyhow::Result<Database> {
        match (&self.database_url, &self.data) {
            (Some(url), _) => Ok(Database::open_postgres(url).await?),
            (None, Some(folder)) => Ok(Database::open_sqlite(folder, exclusive).await?),
            (None, None) => Err(Usage("say which database: --data DIR or --database-url URL".into()).into()),
        }
    }
}
