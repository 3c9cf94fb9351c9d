//! `fieldpool admin erase`.

use clap::Subcommand;
use sync_core::ids::{DocumentId, OrgId};

use super::id;
use crate::{
    actions::{
        erasure::{self, Reason},
        ownership::Asker,
    },
    app::App,
    cli::print_json,
    storage,
};

#[derive(Subcommand)]
pub(super) enum Erase {
    /// Erase a contact for good, and clean the files of it
    Contact {
        /// The organisation
        #[arg(long, value_name = "ID", value_parser = id::<OrgId>)]
        org: OrgId,
        /// The contact
        #[arg(long, value_name = "ID", value_parser = id::<DocumentId>)]
        contact: DocumentId,
        /// Why: a word and no sentence, which might name him
        #[arg(long, value_name = "request|consent_withdrawn|purpose_ended|unlawful", value_parser = reason)]
        reason: Reason,
        /// Who orders it: an administrator or somebody of the back office
        #[arg(long, value_name = "LOGIN")]
        by: String,
    },
    /// Print who was erased, by id, as JSON: the list that `restore --erasures` takes
    List,
}

fn reason(word: &str) -> Result<Reason, String> {
    Reason::named(word).ok_or_else(|| "give request, consent_withdrawn, purpose_ended or unlawful".to_owned())
}

impl Erase {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            Self::Contact {
                org,
                contact,
                reason,
                by,
            } => {
                let mut tx = app.database.read().await?;
                let account = storage::people::list(&mut tx, org)
                    .await?
                    .into_iter()
                    .find(|account| account.login == by);
                drop(tx);
                let Some(account) = account else {
                    anyhow::bail!("not_found: by: nobody of this organisation signs in as {by}");
                };
                let asker = Asker {
                    org,
                    user: account.user,
                    device: None,
                };
                erasure::erase_contact(app, asker, contact, reason).await?;
                erasure::clean(&app.database, &app.seam).await?;
                let mut tx = app.database.read().await?;
                print_json(&storage::erasures::find(&mut tx, org, contact).await?)
            }
            Self::List => {
                let mut tx = app.database.read().await?;
                print_json(&storage::erasures::list_all(&mut tx).await?)
            }
        }
    }
}
