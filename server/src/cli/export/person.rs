//! `fieldpool export person`: all that is held about one person, as JSON and as a table.

use std::{
    fs::{self, File, OpenOptions},
    io::BufWriter,
    path::Path,
};

use anyhow::Context;
use serde_json::{Value as Json, json};
use sync_core::ids::{DocumentId, OrgId};

use crate::{
    actions::{ActionError, Code, held},
    cli::{Usage, print_json},
    export::sheets::Sheet,
    seam::Seam,
    storage::{Database, people},
};

/// Which person.
pub(super) enum Who<'a> {
    /// A contact of a customer.
    Contact(DocumentId),
    /// Somebody who works here, by login.
    User(&'a str),
}

/// Writes `person.json` and `person.csv` into a folder, or prints the JSON.
pub(super) async fn export(database: &Database, org: OrgId, who: Who<'_>, out: Option<&Path>) -> anyhow::Result<()> {
    let seam = Seam::real();
    let all = match who {
        Who::Contact(contact) => held::collect_contact(database, &seam, org, None, contact).await?,
        Who::User(login) => {
            let mut tx = database.read().await?;
            let account = people::find_by_login(&mut tx, login).await?;
            drop(tx);
            let account = account.filter(|account| account.org == org);
            let account =
                account.ok_or_else(|| ActionError::refused(Code::NotFound).because("there is no such login"))?;
            held::collect_user(database, &seam, org, account.user).await?
        }
    };
    let Some(folder) = out else {
        return print_json(&all);
    };
    let cannot = || format!("cannot write into {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    let file = create_private(&folder.join("person.json")).with_context(cannot)?;
    serde_json::to_writer_pretty(BufWriter::new(file), &all).with_context(cannot)?;
    let sheet = sheet(&all);
    sheet.write_csv(BufWriter::new(
        create_private(&folder.join("person.csv")).with_context(cannot)?,
    ))?;
    print_json(&json!({ "rows": sheet.rows.len(), "folder": folder }))
}

/// Which of two options says who.
pub(super) fn who<'a>(contact: Option<DocumentId>, user: Option<&'a str>) -> anyhow::Result<Who<'a>> {
    match (contact, user) {
        (Some(contact), None) => Ok(Who::Contact(contact)),
        (None, Some(login)) => Ok(Who::User(login)),
        _ => Err(Usage("export person: say who, with --contact ID or --user LOGIN".into()).into()),
    }
}

fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// One line for each value: where it is held, in which row, under which name.
fn sheet(all: &Json) -> Sheet {
    let mut rows = Vec::new();
    for (table, held) in all["held"].as_object().into_iter().flatten() {
        let list = held
            .as_array()
            .map_or_else(|| std::slice::from_ref(held), Vec::as_slice);
        for (number, row) in list.iter().enumerate() {
            let whole = json!({ "": row });
            let columns = row.as_object().or_else(|| whole.as_object());
            for (name, value) in columns.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                rows.push(vec![table.clone(), (number + 1).to_string(), name.clone(), text]);
            }
        }
    }
    Sheet {
        columns: ["table", "row", "column", "value"].map(str::to_owned).to_vec(),
        rows,
    }
}
