//! Asking the server: sign-in, tokens, waiting when it is busy.

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sync_core::{
    ids::{ActorId, DeviceId, OrgId, UserId},
    replica::{Identity, Replica, Standing, Store as _},
    time::Timestamp,
};

use super::{Phone, install, meta};
use crate::{PhoneError, Request, Response, Transport, store::StoreTx};

/// How often a request is sent before the phone gives up until the next sync.
pub(super) const ATTEMPTS_MAX: u32 = 6;
/// How often where the server cannot be reached at all: somebody in flight mode should not have to wait.
const ATTEMPTS_OFFLINE_MAX: u32 = 2;
/// First bound of a random wait.
const BACKOFF_BASE_MS: u64 = 500;
/// Longest wait: after an outage the phones come back within minutes, spread evenly.
const BACKOFF_MAX_MS: u64 = 300_000;
/// Longest `Retry-After` that is waited for here; beyond it the person may sync again.
const RETRY_AFTER_MAX_S: u64 = 120;
/// How long an access token lasts.
const TOKEN_LIFETIME_MS: i64 = 600_000;
/// How often a proof is made anew, for instance because the answer to the first was lost: its challenge is spent then.
const PROOFS_MAX: u32 = 3;
/// A token is renewed this long before it ends.
const TOKEN_MARGIN_MS: i64 = 15_000;
/// How many messages a copy that goes on as its device leaves out: more than the other can have sent since it was made.
const COPY_MESSAGES: u64 = 1 << 32;
/// What the proof of the device's key begins with.
const PROOF_CONTEXT: &[u8] = b"fieldpool token v1";

/// An access token.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Token {
    pub(super) text: String,
    /// By this phone's clock.
    pub(super) ends_at: i64,
}

impl Token {
    /// That of an answer which came at `now`, if there is one in it.
    fn of(answer: &Value, now: Timestamp) -> Option<Self> {
        let text = answer.get("token").and_then(Value::as_str)?.to_owned();
        // The server's clock is not this phone's, and either may have been set since they last met: what counts is how
        // long a token lasts. One that ends sooner answers `reauthenticate`.
        let ends_at = now.plus_ms(TOKEN_LIFETIME_MS).0;
        Some(Self { text, ends_at })
    }
}

/// A problem the server answered with.
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) detail: String,
}

impl<T: Transport> Phone<T> {
    /// Signs a person in on this phone and makes it a device with a key of its own. Signing the same person in again
    /// keeps everything and issues what is pending again, under a new device.
    ///
    /// # Errors
    /// The server's refusal with its code; `not_permitted` if the store is another person's.
    pub fn enroll(
        &mut self,
        server: &str,
        login: &str,
        password: &str,
        device_name: &str,
    ) -> Result<Value, PhoneError> {
        let key = SigningKey::from_bytes(&self.seam.random());
        let request = json!({
            "login": login,
            "password": password,
            "name": device_name,
            "public_key": hex::encode(key.verifying_key().to_bytes()),
            "app_version": env!("CARGO_PKG_VERSION"),
        });
        let answer = match self.ask("/v1/devices", Some(&request), None) {
            Err(PhoneError::Refused { code, message }) if code == "account_not_active" => {
                return self.sign_in_to_leave(login, password, message);
            }
            other => other?,
        };
        let id = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str).unwrap_or_default();
            text.parse::<uuid::Uuid>().map_err(|_| {
                PhoneError::refused(
                    "malformed_answer",
                    "the server's answer has no id; is it a Fieldpool server?",
                )
            })
        };
        let identity = Identity {
            org: OrgId(id("org")?),
            user: UserId(id("user")?),
            device: DeviceId(id("device")?),
            actor: ActorId(self.seam.random()),
        };
        let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let me = json!({"id": identity.user, "login": word("login"), "name": word("name")});
        let now = self.seam.now();
        // The first token; where none is given, the key is proved for one.
        let token = Token::of(&answer, now);
        let kept = token
            .as_ref()
            .map(|token| serde_json::to_vec(token).unwrap_or_default());
        if self.store.tombstone()?.is_some() {
            self.tell_wiped();
            self.store.begin_anew()?;
        }
        let here = self.install_now();
        self.store.write::<_, PhoneError>(|tx| {
            if tx.state()?.is_some_and(|state| state.user != identity.user) {
                return Err(PhoneError::refused(
                    "not_permitted",
                    "this phone belongs to somebody else; take another --store for another person",
                ));
            }
            Replica::enroll(tx, identity, now)?;
            Self::settle_install(&here, tx)?;
            tx.put_meta(meta::SERVER, server.trim_end_matches('/').as_bytes())?;
            tx.put_meta(meta::KEY, &key.to_bytes())?;
            tx.put_meta(meta::ME, me.to_string().as_bytes())?;
            match &kept {
                Some(kept) => tx.put_meta(meta::TOKEN, kept)?,
                None => tx.delete_meta(meta::TOKEN)?,
            }
            Ok(())
        })?;
        self.token = token;
        Ok(json!({"user": me, "device": identity.device, "org": identity.org}))
    }

    /// The access token: the one at hand, or a new one for a proof of the device's key.
    pub(super) fn token(&mut self) -> Result<String, PhoneError> {
        let now = self.seam.now();
        if self.token.is_none() {
            let kept = self.store.read::<_, PhoneError>(|tx| Ok(tx.meta(meta::TOKEN)?))?;
            self.token = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        }
        let good = self
            .token
            .as_ref()
            .filter(|token| now.plus_ms(TOKEN_MARGIN_MS).0 < token.ends_at);
        match good {
            Some(token) => Ok(token.text.clone()),
            None => self.prove(now),
        }
    }

    pub(super) fn forget_token(&mut self) -> Result<(), PhoneError> {
        self.token = None;
        self.store.write::<_, PhoneError>(|tx| Ok(tx.delete_meta(meta::TOKEN)?))
    }

    /// Signs a fresh challenge with the key of this device.
    pub(super) fn make_proof(
        &mut self,
        context: &[u8],
        org: OrgId,
        device: DeviceId,
        key: &[u8; 32],
    ) -> Result<Value, PhoneError> {
        let answer = self.ask("/v1/challenge", Some(&json!({"org": org, "device": device})), None)?;
        let nonce_hex = answer.get("nonce").and_then(Value::as_str).unwrap_or_default();
        let nonce = hex::decode(nonce_hex).unwrap_or_default();
        let message = [context, device.as_bytes(), &nonce].concat();
        let signature = SigningKey::from_bytes(key).sign(&message);
        Ok(json!({
            "org": org,
            "device": device,
            "nonce": nonce_hex,
            "signature": hex::encode(signature.to_bytes()),
            "app_version": env!("CARGO_PKG_VERSION"),
        }))
    }

    fn prove_once(
        &mut self,
        org: OrgId,
        device: DeviceId,
        key: &[u8; 32],
        person: Option<(&str, &str)>,
    ) -> Result<Value, PhoneError> {
        let mut proof = self.make_proof(PROOF_CONTEXT, org, device, key)?;
        if let Some((login, password)) = person {
            proof["login"] = login.into();
            proof["password"] = password.into();
        }
        self.ask("/v1/token", Some(&proof), None)
    }

    fn prove(&mut self, now: Timestamp) -> Result<String, PhoneError> {
        self.refuse_copied()?;
        let answer = self.prove_until_heard(None)?;
        let standing = standing_of(&answer);
        self.keep_token(&answer, now, |tx| Ok(Replica::open(tx)?.handle_standing(standing)?))
    }

    /// Proves the device's key together with the person's password: the phone may go on after its lease has run out.
    pub(super) fn sign_in_again(&mut self, login: &str, password: &str) -> Result<(), PhoneError> {
        self.refuse_copied()?;
        let now = self.seam.now();
        let answer = self.prove_until_heard(Some((login, password)))?;
        let standing = standing_of(&answer);
        self.keep_token(&answer, now, |tx| Ok(Replica::open(tx)?.unlock(standing, now)?))?;
        Ok(())
    }

    /// Somebody who works here no longer signs in on the phone that is his: it is no new device, and hands in what it
    /// holds. It may be a copy: it goes on as that device then, far beyond the messages which the other has sent.
    fn sign_in_to_leave(&mut self, login: &str, password: &str, refusal: String) -> Result<Value, PhoneError> {
        let refused = || PhoneError::refused("account_not_active", refusal.clone());
        if self.store.tombstone()?.is_some() {
            return Err(refused());
        }
        let (state, me) = self
            .store
            .read::<_, PhoneError>(|tx| Ok((tx.state()?, tx.meta(meta::ME)?)))?;
        let me: Option<Value> = me.and_then(|me| serde_json::from_slice(&me).ok());
        match (state, me) {
            (Some(state), Some(me)) if me["login"] == login => {
                self.check_install()?;
                let (now, here) = (self.seam.now(), self.install_now());
                let answer = self.prove_until_heard(Some((login, password)))?;
                let standing = standing_of(&answer);
                self.keep_token(&answer, now, |tx| {
                    Replica::open(tx)?.unlock(standing, now)?;
                    if tx.meta(meta::COPIED)?.is_some() {
                        Replica::open(tx)?.skip_messages(COPY_MESSAGES)?;
                    }
                    Self::settle_install(&here, tx)
                })?;
                Ok(json!({"user": me, "device": state.device, "org": state.org}))
            }
            _ => Err(refused()),
        }
    }

    /// A copy does not speak for the device that it was made of.
    fn refuse_copied(&mut self) -> Result<(), PhoneError> {
        self.check_install()?;
        let copied = self
            .store
            .read::<_, PhoneError>(|tx| Ok(tx.meta(meta::COPIED)?.is_some()))?;
        if copied { Err(install::copied()) } else { Ok(()) }
    }

    fn prove_until_heard(&mut self, person: Option<(&str, &str)>) -> Result<Value, PhoneError> {
        let (state, key) = self
            .store
            .read::<_, PhoneError>(|tx| Ok((tx.state()?, tx.meta(meta::KEY)?)))?;
        let unknown =
            || PhoneError::SignInRequired("nobody has signed in on this phone yet; enroll it first".to_owned());
        let state = state.ok_or_else(unknown)?;
        let key: [u8; 32] = key.and_then(|key| key.try_into().ok()).ok_or_else(unknown)?;
        let mut proofs = 0;
        loop {
            proofs += 1;
            match self.prove_once(state.org, state.device, &key, person) {
                Err(PhoneError::Refused { code, .. }) if code == "proof_refused" && proofs < PROOFS_MAX => {}
                Err(PhoneError::Refused { code, message }) => return Err(self.standing_refused(&code, message)?),
                other => return other,
            }
        }
    }

    /// Keeps the token of an answer, in one step with what else the answer means.
    fn keep_token(
        &mut self,
        answer: &Value,
        now: Timestamp,
        step: impl FnOnce(&mut StoreTx<'_>) -> Result<(), PhoneError>,
    ) -> Result<String, PhoneError> {
        let token = Token::of(answer, now).unwrap_or_default();
        let kept = serde_json::to_vec(&token).unwrap_or_default();
        self.store.write::<_, PhoneError>(|tx| {
            tx.put_meta(meta::TOKEN, &kept)?;
            step(tx)
        })?;
        let text = token.text.clone();
        self.token = Some(token);
        Ok(text)
    }

    /// What a refused proof means for this phone.
    fn standing_refused(&mut self, code: &str, message: String) -> Result<PhoneError, PhoneError> {
        let now = self.seam.now();
        Ok(match code {
            "device_revoked" | "account_not_active" | "device_wiped" => {
                self.engine(|replica| Ok(replica.handle_problem(code, now).map(|_| ())?))?;
                PhoneError::Locked { code: code.to_owned() }
            }
            "proof_refused" => PhoneError::SignInRequired(
                "the server does not know this phone; sign in on it again with enroll, nothing on it is lost"
                    .to_owned(),
            ),
            _ => PhoneError::refused(code, message),
        })
    }

    /// A question in JSON. Waits where the server is busy.
    pub(super) fn ask(&mut self, path: &str, body: Option<&Value>, token: Option<&str>) -> Result<Value, PhoneError> {
        let request = Request {
            body: body.map(|body| body.to_string().into_bytes()),
            path: path.to_owned(),
            token: token.map(str::to_owned),
            content_type: "application/json",
            is_sync: false,
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let response = match self.transport.send(&request) {
                Ok(response) => response,
                Err(error) => {
                    self.wait_offline(attempt, &error.0)?;
                    continue;
                }
            };
            match response.status {
                200..=299 => match serde_json::from_slice(&response.body) {
                    Ok(answer) => return Ok(answer),
                    Err(_) if attempt < self.patience.min(ATTEMPTS_OFFLINE_MAX) => {
                        self.wait_offline(attempt, "the answer was cut")?;
                    }
                    Err(_) => {
                        return Err(PhoneError::refused(
                            "malformed_answer",
                            "the server's answer is not JSON; is it a Fieldpool server?",
                        ));
                    }
                },
                429 | 503 if is_shedding(&response) => self.wait_busy(attempt, response.retry_after_s)?,
                _ => {
                    let problem = read_problem(&response);
                    return Err(PhoneError::refused(&problem.code, problem.detail));
                }
            }
        }
    }

    /// Waits before the next attempt, or gives up.
    pub(super) fn wait_offline(&self, attempt: u32, reason: &str) -> Result<(), PhoneError> {
        if attempt >= self.patience.min(ATTEMPTS_OFFLINE_MAX) {
            return Err(PhoneError::Offline(reason.to_owned()));
        }
        self.seam.wait_ms(self.jitter(attempt));
        Ok(())
    }

    /// As told, and a random time more, so that those who were told the same do not come back together.
    pub(super) fn wait_busy(&self, attempt: u32, retry_after_s: Option<u64>) -> Result<(), PhoneError> {
        let told = retry_after_s.unwrap_or(0);
        if attempt >= self.patience || told > RETRY_AFTER_MAX_S {
            return Err(PhoneError::Busy);
        }
        self.seam.wait_ms(told * 1000 + self.jitter(attempt));
        Ok(())
    }

    /// Full jitter: anything up to a bound that doubles.
    fn jitter(&self, attempt: u32) -> u64 {
        let bound = BACKOFF_BASE_MS.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX_MS);
        self.seam.below(bound)
    }

    /// Searches at the server, beyond what this phone holds.
    ///
    /// # Errors
    /// Offline, or the server's refusal.
    pub fn search_online(&mut self, query: &str) -> Result<Vec<Value>, PhoneError> {
        self.check_flight_mode()?;
        self.check_unlocked()?;
        let token = self.token()?;
        let path = format!("/v1/customers?q={}", percent_encoded(query));
        let answer = match self.ask(&path, None, Some(&token)) {
            Err(PhoneError::Refused { code, .. })
                if matches!(code.as_str(), "unauthenticated" | "unknown_route" | "not_found") =>
            {
                return Err(PhoneError::refused(
                    "search_unavailable",
                    "this server does not let phones search online; search in the web application instead",
                ));
            }
            other => other?,
        };
        let items = answer.get("items").and_then(Value::as_array).cloned();
        Ok(items.unwrap_or_default())
    }
}

/// What the answer to a proof says about this phone.
fn standing_of(answer: &Value) -> Standing {
    match answer.get("state").and_then(Value::as_str) {
        Some("offboarding" | "disabled" | "revoked") => Standing::Offboarding,
        _ => Standing::Active,
    }
}

/// A refusal by the limiter of sign-ins is an answer, not a busy server.
fn is_shedding(response: &Response) -> bool {
    read_problem(response).code != "too_many_attempts"
}

pub(super) fn read_problem(response: &Response) -> Problem {
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let word = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = match response.status {
        429 | 503 => word("code")
            .filter(|code| code == "too_many_attempts")
            .unwrap_or_else(|| "busy".to_owned()),
        401 if word("code").is_none() => "reauthenticate".to_owned(),
        status => word("code").unwrap_or_else(|| format!("http_{status}")),
    };
    let detail = word("detail").or_else(|| word("title"));
    Problem {
        detail: detail.unwrap_or_else(|| format!("the server refused ({code})")),
        code,
    }
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
