//! The back office at the JSON API, as a program beside the phones calls it.

use anyhow::{Context, ensure};
use serde_json::{Value as Json, json};
use sync_core::ids::UserId;

use super::{company::PASSWORD, phase::Traffic};

/// Longest answer that is read: a handover's has a line for each of those concerned.
const ANSWER_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Somebody signed in.
pub(super) struct Office {
    agent: ureq::Agent,
    url: String,
    bearer: String,
    traffic: Traffic,
}

impl Office {
    /// Signs in.
    pub(super) fn sign_in(url: &str, login: &str) -> anyhow::Result<Self> {
        let mut office = Self {
            agent: ureq::Agent::new_with_defaults(),
            url: url.to_owned(),
            bearer: String::new(),
            traffic: Traffic::default(),
        };
        let session = office.post("tokens", &json!({ "login": login, "password": PASSWORD }))?;
        let token = session["token"].as_str().context("signing in gives a token")?;
        office.bearer = format!("Bearer {token}");
        office.traffic = Traffic::default();
        Ok(office)
    }

    /// Hands all that somebody has to somebody else. Gives how many customers went.
    pub(super) fn hand_over(&mut self, from: UserId, to: UserId) -> anyhow::Result<u64> {
        let order = json!({ "from": from, "plan": [{ "to": to }], "reason": "换区" });
        let done = self.post("handovers", &order)?;
        done["counts"]["customers"]
            .as_u64()
            .context("a handover says how many customers went")
    }

    /// What its requests and answers had in their bodies since it signed in.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn post(&mut self, path: &str, body: &Json) -> anyhow::Result<Json> {
        let text = body.to_string();
        let request = self
            .agent
            .post(format!("{}/api/v1/{path}", self.url))
            .config()
            .http_status_as_error(false)
            .build()
            .header("content-type", "application/json")
            .header("authorization", &self.bearer);
        let mut answer = request.send(&text)?;
        let read = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()?;
        ensure!(answer.status().is_success(), "{path} was refused: {read}");
        self.traffic = self.traffic.plus(Traffic {
            round_trips: 1,
            bytes_up: text.len() as u64,
            bytes_down: read.len() as u64,
        });
        Ok(serde_json::from_str(&read)?)
    }
}
