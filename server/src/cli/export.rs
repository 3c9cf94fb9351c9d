//! `fieldpool export`: records as CSV or as a workbook.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context;
use serde_json::{Map, Value as Json, json};
use sync_core::ids::{DocumentId, OrgId};

mod person;

use super::{Target, block_on, import::entity, print_json};
use crate::{
    export::{collect::collect, sheets::Sheet},
    import::Entity,
    seam::Seam,
    storage::{
        audit::{self, AuditRow},
        organisation,
    },
};

/// Exports customers, contacts, opportunities, visits, follow-ups or users as CSV or .xlsx
///
/// The columns are those that `import` reads. Passwords are never exported. Each export stands in the audit trail.
#[derive(clap::Args)]
pub(super) struct Export {
    /// customers, contacts, opportunities, visits, follow-ups or users; person for all that is held about one
    #[arg(value_parser = what)]
    what: What,
    #[command(flatten)]
    target: Target,
    /// The organisation
    #[arg(long, value_name = "ID")]
    org: OrgId,
    /// Of a person: the contact
    #[arg(long, value_name = "ID")]
    contact: Option<DocumentId>,
    /// Of a person: somebody who works here
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// The file, .csv or .xlsx; without it CSV goes to stdout. Of a person the folder for person.json and person.csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With --out prints the number of rows as JSON, without it the rows themselves
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy)]
enum What {
    Records(Entity),
    Person,
}

fn what(word: &str) -> Result<What, String> {
    match word {
        "person" => Ok(What::Person),
        word => entity(word)
            .map(What::Records)
            .map_err(|names| format!("{names}, person")),
    }
}

impl Export {
    pub(super) fn run(self) -> anyhow::Result<()> {
        block_on(self.export())
    }

    async fn export(self) -> anyhow::Result<()> {
        let database = self.target.open(false).await?;
        let mut tx = database.read().await?;
        if organisation::find(&mut tx, self.org).await?.is_none() {
            anyhow::bail!("not_found: org: there is no such organisation; `admin org list` shows all");
        }
        let What::Records(entity) = self.what else {
            drop(tx);
            let who = person::who(self.contact, self.user.as_deref())?;
            person::export(&database, self.org, who, self.out.as_deref()).await?;
            database.close().await;
            return Ok(());
        };
        let sheet = collect(&mut tx, self.org, entity).await?;
        tx.rollback().await?;
        // Told before it is handed out: an export that nobody can trace must not exist.
        let row = AuditRow::new(Seam::real().now(), "exported", entity).with_detail(json!({"rows": sheet.rows.len()}));
        let mut tx = database.write().await?;
        audit::append(&mut tx, self.org, &[row]).await?;
        tx.commit().await?;
        database.close().await;
        self.write(entity, &sheet)
    }

    fn write(&self, entity: Entity, sheet: &Sheet) -> anyhow::Result<()> {
        let Some(path) = &self.out else {
            if self.json {
                return print_json(&as_json(sheet));
            }
            let mut stdout = BufWriter::new(std::io::stdout().lock());
            sheet.write_csv(&mut stdout)?;
            return Ok(stdout.flush()?);
        };
        let cannot = || format!("cannot write {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(cannot)?);
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"))
        {
            sheet.write_xlsx(entity.name(), &mut file).with_context(cannot)?;
        } else {
            sheet.write_csv(&mut file).with_context(cannot)?;
        }
        file.flush().with_context(cannot)?;
        if self.json {
            return print_json(&json!({"rows": sheet.rows.len(), "file": path}));
        }
        eprintln!("{} rows written to {}", sheet.rows.len(), path.display());
        Ok(())
    }
}

fn as_json(sheet: &Sheet) -> Vec<Map<String, Json>> {
    let object = |row: &Vec<String>| {
        let cells = sheet.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        cells.map(|(column, cell)| (column.clone(), json!(cell))).collect()
    };
    sheet.rows.iter().map(object).collect()
}
