//! What an organisation calls things: stages, tiers, people, teams, pools. A phone holds it whole, so that it shows
//! names without asking.
//!
//! The server sends it as JSON when its hash has changed; a phone reads what it knows of it and ignores the rest.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{PoolId, TeamId, UserId},
    visibility::{PastPolicy, Policies, Policy},
};

/// Days that a phone works without hearing the server, unless the organisation says otherwise: two weeks of holiday.
pub const LEASE_DAYS_DEFAULT: u16 = 14;
/// The most days an organisation may set: a phone that is away for longer is a lost one.
pub const LEASE_DAYS_MAX: u16 = 365;

/// Something one chooses: an id that stands in documents, and what people read for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What stands in documents; never reused for another meaning.
    pub id: String,
    /// Its English name.
    pub en: String,
    /// Its Chinese name.
    pub zh: String,
}

impl Choice {
    /// A choice with names in both languages.
    #[must_use]
    pub fn new(id: &str, en: &str, zh: &str) -> Self {
        Self {
            id: id.to_owned(),
            en: en.to_owned(),
            zh: zh.to_owned(),
        }
    }
}

/// How a deal stands in a stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Still being worked on.
    Open,
    /// Won.
    Won,
    /// Lost.
    Lost,
}

/// A stage of an opportunity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineStage {
    /// Id and names.
    #[serde(flatten)]
    pub choice: Choice,
    /// How a deal in it stands.
    pub outcome: Outcome,
}

/// What an organisation has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Stages of a customer's life, in order.
    pub stages: Vec<Choice>,
    /// Stages of an opportunity, in order.
    pub pipeline: Vec<PipelineStage>,
    /// Tiers of customers, the highest first.
    pub tiers: Vec<Choice>,
    /// Who sees what.
    #[serde(default)]
    pub policy: Policy,
    /// Who saw what before, the oldest first. The server's alone: phones are not sent it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_policies: Vec<PastPolicy>,
    /// Days that a phone works without hearing the server; then it locks itself.
    #[serde(default = "lease_days_default")]
    pub lease_days: u16,
}

impl Settings {
    /// The policy with those before it.
    #[must_use]
    pub fn policies(&self) -> Policies {
        Policies {
            past: self.past_policies.clone(),
            now: self.policy.clone(),
        }
    }
}

const fn lease_days_default() -> u16 {
    LEASE_DAYS_DEFAULT
}

/// The days of the lease that a directory's JSON says, within their bounds; none if it says nothing of it.
#[must_use]
pub fn lease_days_of(json: &[u8]) -> Option<u16> {
    #[derive(Deserialize)]
    struct Lease {
        lease_days: Option<u16>,
    }
    let lease: Lease = serde_json::from_slice(json).ok()?;
    Some(lease.lease_days?.clamp(1, LEASE_DAYS_MAX))
}

impl Default for Settings {
    fn default() -> Self {
        let stage = |id, en, zh, outcome| PipelineStage {
            choice: Choice::new(id, en, zh),
            outcome,
        };
        Self {
            stages: vec![
                Choice::new("lead", "Lead", "线索"),
                Choice::new("prospect", "Prospect", "潜在"),
                Choice::new("intent", "Intent", "意向"),
                Choice::new("won", "Won", "成交"),
                Choice::new("after_sales", "After-sales", "售后"),
                Choice::new("repeat", "Repeat business", "复购"),
                Choice::new("lost", "Lost", "流失"),
            ],
            pipeline: vec![
                stage("needs", "Needs confirmed", "需求确认", Outcome::Open),
                stage("proposal", "Proposal", "方案设计", Outcome::Open),
                stage("negotiation", "Negotiation", "商务谈判", Outcome::Open),
                stage("won", "Won", "签约", Outcome::Won),
                stage("lost", "Lost", "输单", Outcome::Lost),
            ],
            tiers: vec![
                Choice::new("vip", "VIP", "VIP"),
                Choice::new("potential", "Potential", "潜力"),
                Choice::new("normal", "Normal", "普通"),
            ],
            policy: Policy::default(),
            past_policies: Vec::new(),
            lease_days: LEASE_DAYS_DEFAULT,
        }
    }
}

/// A person as he is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonEntry {
    /// Who.
    pub id: UserId,
    /// What he signs in with.
    pub login: String,
    /// His name.
    pub name: String,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamEntry {
    /// Which.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// The team above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TeamId>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEntry {
    /// Which.
    pub id: PoolId,
    /// Its name.
    pub name: String,
}

/// The whole directory of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// The organisation's name.
    pub organisation: String,
    /// Its time zone, in which its days begin.
    pub timezone: String,
    /// Stages, pipeline, tiers, policy.
    #[serde(flatten)]
    pub settings: Settings,
    /// Everybody, by id.
    pub people: Vec<PersonEntry>,
    /// Teams, by id.
    pub teams: Vec<TeamEntry>,
    /// Pools, by id.
    pub pools: Vec<PoolEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_read_back_from_its_json_is_the_same_and_newer_members_are_ignored() {
        let directory = Directory {
            organisation: "百货".into(),
            timezone: "Asia/Shanghai".into(),
            settings: Settings::default(),
            people: vec![],
            teams: vec![],
            pools: vec![],
        };
        let mut json = serde_json::to_value(&directory).expect("a directory is JSON");
        json["newer"] = true.into();
        assert_eq!(json["pipeline"][3]["outcome"], "won");
        assert_eq!(serde_json::from_value::<Directory>(json).expect("read back"), directory);
    }
}
