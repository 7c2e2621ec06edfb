//! Device codes (RFC 8628), as every provider here that has them shares them: the person types a user code on
//! a page, and the program polls no faster than the interval allows.

use std::collections::HashMap;

use crate::account::Account;
use crate::consent::{self, Decision};
use crate::pages;
use crate::random;
use crate::reply::Reply;
use crate::request::Request;
use crate::switches::Consent;

/// Seconds added to the interval for a poll that came too early (RFC 8628, 3.5).
pub const SLOWER: i64 = 5;

/// One device code.
#[derive(Debug, Clone)]
pub struct Device {
    pub client_id: String,
    pub scopes: Vec<String>,
    pub resource: Option<String>,
    user_code: String,
    began_ms: i64,
    ends_ms: i64,
    interval_ms: i64,
    last_ms: Option<i64>,
    decision: Option<Decision>,
}

/// What a program asks for with a new code.
#[derive(Debug)]
pub struct Wanted {
    pub client_id: String,
    pub scopes: Vec<String>,
    pub resource: Option<String>,
    /// Seconds between polls, and seconds that the code lives.
    pub interval: i64,
    pub lifetime: i64,
}

/// What a poll finds.
#[derive(Debug)]
pub enum Poll {
    /// Unknown, used up, or of another client.
    Unknown,
    Pending,
    /// Too early; the interval from now on, in seconds.
    SlowDown(i64),
    Expired,
    Denied,
    Granted(Device, &'static Account),
}

/// All device codes of one provider.
#[derive(Debug, Default)]
pub struct Devices {
    live: HashMap<String, Device>,
    ever: Vec<String>,
}

impl Devices {
    /// A new pair of device code and user code. A switch may answer for the person at once.
    pub fn start(&mut self, wanted: Wanted, now_ms: i64, consent: Consent) -> (String, String) {
        let (device_code, user_code) = (random::hex(20), user_code());
        let device = Device {
            client_id: wanted.client_id,
            scopes: wanted.scopes,
            resource: wanted.resource,
            user_code: user_code.clone(),
            began_ms: now_ms,
            ends_ms: now_ms + wanted.lifetime * 1000,
            interval_ms: wanted.interval * 1000,
            last_ms: None,
            decision: consent::by_switch(consent),
        };
        self.live.insert(device_code.clone(), device);
        self.ever.push(device_code.clone());
        (device_code, user_code)
    }

    /// One poll. With `first_waits` the first one has to wait an interval too, counted from the start.
    pub fn poll(&mut self, code: &str, client_id: &str, now_ms: i64, first_waits: bool) -> Poll {
        let Some(device) = self.live.get_mut(code).filter(|device| device.client_id == client_id) else {
            return Poll::Unknown;
        };
        if now_ms >= device.ends_ms {
            return Poll::Expired;
        }
        let before = device.last_ms.or(first_waits.then_some(device.began_ms));
        device.last_ms = Some(now_ms);
        if before.is_some_and(|before| now_ms - before < device.interval_ms) {
            device.interval_ms += SLOWER * 1000;
            return Poll::SlowDown(device.interval_ms / 1000);
        }
        match device.decision {
            None => Poll::Pending,
            Some(Decision::Deny) => Poll::Denied,
            Some(Decision::Approve(account)) => {
                let device = device.clone();
                self.live.remove(code);
                Poll::Granted(device, account)
            }
        }
    }

    /// The person's answer to a user code; false if nobody waits under it.
    pub fn answer(&mut self, user_code: &str, decision: Decision, now_ms: i64) -> bool {
        let plain = |code: &str| code.replace(['-', ' '], "").to_uppercase();
        let typed = plain(user_code);
        let waits = |device: &&mut Device| plain(&device.user_code) == typed && device.decision.is_none();
        match self.live.values_mut().find(waits).filter(|device| now_ms < device.ends_ms) {
            Some(device) => {
                device.decision = Some(decision);
                true
            }
            None => false,
        }
    }

    /// Every device code that was ever given out.
    pub fn ever(&self) -> &[String] {
        &self.ever
    }
}

/// Eight letters that cannot be mistaken for one another (RFC 8628, 6.1).
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let random: [u8; 8] = rand::random();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let letters: String = random.iter().map(letter).collect();
    format!("{}-{}", &letters[..4], &letters[4..])
}

/// The page on which a person types a user code; the form posts to the page's own path.
pub fn page(provider: &str, request: &Request) -> Reply {
    page_posting_to(provider, &request.path, request)
}

/// The same for a provider whose page stands where programs post to.
pub fn page_posting_to(provider: &str, action: &str, request: &Request) -> Reply {
    let params = request.params();
    let code = pages::escape(params.get("user_code").or_else(|| params.get("code")).unwrap_or_default());
    let main = format!(
        "<p>Type the code that the program shows you.</p><form method=\"post\" action=\"{}\">\
         <label>Code<input name=\"user_code\" value=\"{code}\" autocomplete=\"off\" autofocus></label>{}{}</form>",
        pages::escape(action),
        pages::accounts(),
        pages::buttons()
    );
    pages::page(200, &format!("Connect a device to {provider}"), &main)
}

/// The submitted page: user code and answer.
pub fn submitted(request: &Request) -> Option<(String, Decision)> {
    let user_code = request.form()?.get("user_code")?.to_owned();
    Some((user_code, consent::decision(request)?))
}

/// What the person sees after the form.
pub fn done(provider: &str, found: bool, decision: Decision) -> Reply {
    match (found, decision) {
        (false, _) => pages::problem(400, provider, "That code is wrong or no longer valid."),
        (true, Decision::Deny) => {
            pages::page(200, "Denied", "<p>Nothing was granted. You can close this page.</p>")
        }
        (true, Decision::Approve(_)) => {
            let main = "<p>The program goes on by itself. You can close this page.</p>";
            pages::page(200, "Your device is connected", main)
        }
    }
}
