//! The server's decisions, without IO: what becomes of each change and each intent, and what a device is shown.
//!
//! The caller reads facts, asks here before it takes any lock, and then writes what was decided in one transaction,
//! in which it checks that the facts still hold. Nothing here knows how facts are stored.

mod changes;
mod handover;
mod intents;
mod late;

pub use changes::{
    BeforeLoss, ChangeDecision, CustomerStanding, ExistingDocument, KnownRefusal, PushedDocument, decide_document,
};
pub use handover::{
    HeldCustomer, PlanEntry, PlanFault, Portion, Successor, SuccessorFacts, check_plan, deal, refuse_successor,
};
pub use intents::{CustomerFactsNow, IntentDecision, IntentFacts, Move, decide_intent, leads_customer};
pub use late::{Amendment, LATE_AFTER_LOSS, LATE_AFTER_ORDER, Loss, Proposal, amend, was_amended};
