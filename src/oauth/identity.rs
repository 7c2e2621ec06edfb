//! Who a login belongs to, as far as the provider says: in the answer, in the id token, or at an address of
//! its own.
//!
//! Guarantees: a name for people's eyes and account ids for headers; nothing here decides who may do what,
//! and a failure never ends a login.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::jwt;
use crate::credential::{Organization, Tokens};
use crate::secret::Secret;
use crate::text::is_hidden;

/// Longest wait for a mere name.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest name that is kept, in characters.
const MAX_NAME: usize = 128;
/// OpenAI's claim with the account (openai/codex, token data).
const OPENAI_AUTH: &str = "https://api.openai.com/auth";
/// OpenAI's claim with the e-mail address.
const OPENAI_PROFILE: &str = "https://api.openai.com/profile";

/// The name in the token answer, else what the method's identity address says, else the id token's bare
/// subject.
pub(super) async fn find(client: &Client, tokens: &Tokens) -> Option<String> {
    if tokens.identity.is_some() {
        return tokens.identity.clone();
    }
    let subject = || name(jwt::claims(tokens.id_token.as_ref()?.expose())?.get("sub")?);
    ask(client, &tokens.access_token).await.or_else(subject)
}

async fn ask(client: &Client, access_token: &Secret) -> Option<String> {
    let (http, url) = (&client.wire.http, client.ready.identity_url.clone()?);
    let request = http.get(url).ok()?.bearer_auth(access_token.expose()).timeout(TIMEOUT);
    let reply = http.send(request).await.ok().filter(|reply| reply.status.is_success())?;
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    in_answer(&body, None)
}

/// A name in a token answer or profile.
pub(super) fn in_answer(body: &Value, id_token: Option<&Secret>) -> Option<String> {
    let places = ["/account/email_address", "/account/email", "/email", "/login", "/preferred_username"];
    let told = places.iter().find_map(|place| name(body.pointer(place)?));
    told.or_else(|| in_claims(&jwt::claims(id_token?.expose())?))
}

fn in_claims(claims: &Value) -> Option<String> {
    let profile = claims.get(OPENAI_PROFILE).and_then(|profile| profile.get("email"));
    let places = [claims.get("email"), profile, claims.get("preferred_username")];
    places.into_iter().flatten().find_map(name)
}

/// The organization in a token answer (Anthropic), or in a token's claims (OpenAI's workspace).
pub(super) fn organization(
    body: &Value,
    id_token: Option<&Secret>,
    access_token: &Secret,
) -> Option<Organization> {
    let told = |key: &str| name(body.get("organization")?.get(key)?);
    if let Some(id) = told("uuid") {
        return Some(Organization { id, name: told("name") });
    }
    let claimed =
        |token: &Secret| name(jwt::claims(token.expose())?.get(OPENAI_AUTH)?.get("chatgpt_account_id")?);
    let id = id_token.and_then(claimed).or_else(|| claimed(access_token))?;
    Some(Organization { id, name: None })
}

/// Values that headers need (`ChatGPT-Account-Id`), from the id token or else the access token.
pub(super) fn account_values(id_token: Option<&Secret>, access_token: &Secret) -> BTreeMap<String, String> {
    let of =
        |token: &Secret| jwt::claims(token.expose()).map(|claims| values_in(&claims)).unwrap_or_default();
    let mut values = of(access_token);
    values.extend(id_token.map(of).unwrap_or_default());
    values
}

fn values_in(claims: &Value) -> BTreeMap<String, String> {
    let auth = claims.get(OPENAI_AUTH);
    let account = claims
        .get("chatgpt_account_id")
        .or_else(|| auth?.get("chatgpt_account_id"))
        .or_else(|| claims.pointer("/organizations/0/id"));
    let found = [("account_id", account), ("plan", auth.and_then(|auth| auth.get("chatgpt_plan_type")))];
    found.into_iter().filter_map(|(key, value)| Some((key.to_owned(), name(value?)?))).collect()
}

/// Text that is fit to be shown and to stand in a header.
fn name(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let plain = !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(is_hidden);
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn jwt(claims: &Value) -> Secret {
        Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    #[test]
    fn names_are_found_where_providers_put_them() {
        assert_eq!(in_answer(&json!({"account": {"email_address": "a@b"}}), None).as_deref(), Some("a@b"));
        assert_eq!(in_answer(&json!({"account": {"email": "a@b"}}), None).as_deref(), Some("a@b"));
        let token = jwt(&json!({OPENAI_PROFILE: {"email": "c@d"}}));
        assert_eq!(in_answer(&json!({}), Some(&token)).as_deref(), Some("c@d"));
        assert_eq!(in_answer(&json!({"email": "a\u{1b}[31m"}), None), None, "no terminal escapes");
        assert_eq!(in_answer(&json!({"email": ["x"]}), Some(&Secret::new("no jwt"))), None);
    }

    #[test]
    fn organizations_are_found_where_providers_put_them() {
        let none = Secret::new("no jwt");
        let told = json!({"organization": {"uuid": "o-1", "name": "Corp"}});
        let found = organization(&told, None, &none).unwrap();
        assert_eq!((found.id.as_str(), found.shown()), ("o-1", "Corp"));
        let token = jwt(&json!({OPENAI_AUTH: {"chatgpt_account_id": "acc"}}));
        assert_eq!(organization(&json!({}), None, &token).unwrap().shown(), "acc");
        for odd in [json!({}), json!({"organization": "Corp"}), json!({"organization": {"uuid": "a\u{1b}b"}})]
        {
            assert_eq!(organization(&odd, None, &none), None);
        }
    }

    #[test]
    fn account_ids_come_from_either_token() {
        let token = jwt(&json!({OPENAI_AUTH: {"chatgpt_account_id": "acc", "chatgpt_plan_type": "plus"}}));
        let values = account_values(None, &token);
        assert_eq!((values["account_id"].as_str(), values["plan"].as_str()), ("acc", "plus"));
        let organization = jwt(&json!({"organizations": [{"id": "org"}]}));
        assert_eq!(account_values(Some(&organization), &Secret::new("x"))["account_id"], "org");
    }
}
