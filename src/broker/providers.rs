//! What can be logged in to, and what is there of it.

use crate::config::Config;
use crate::error::Result;
use crate::protocol::{self, UsageSource};
use crate::provider::{Choice, Grant, Method, Provider, RevocationEnds, Source, is_no_login};
use crate::store::{Index, Store};

/// All providers.
///
/// # Errors
/// `config_invalid`. An index that cannot be read leaves the logins out: what there is to log in to is known
/// anyway.
pub fn providers(config: &Config, store: &Store) -> Result<protocol::ProvidersAnswer> {
    let index = store.index().unwrap_or_default();
    let describe = |id: String| Ok(describe(&*config.provider(&id)?, &index));
    let providers = config.provider_ids().into_iter().map(describe).collect::<Result<_>>()?;
    Ok(protocol::ProvidersAnswer { providers })
}

fn describe(provider: &Provider, index: &Index) -> protocol::Provider {
    let is_its_own =
        |login: &&crate::login_id::LoginId| login.provider() == provider.id && !is_no_login(login);
    let is_set = |var: &&String| std::env::var_os(var).is_some_and(|value| !value.is_empty());
    let methods = provider.methods.iter().enumerate();
    protocol::Provider {
        id: provider.id.clone(),
        name: provider.name.clone(),
        builtin: provider.builtin,
        methods: methods
            .map(|(place, method)| describe_method(provider, method, index, place == 0))
            .collect(),
        logins: index.logins.keys().filter(is_its_own).map(|login| login.as_str().to_owned()).collect(),
        env: provider.sources.iter().filter_map(variable).filter(is_set).cloned().collect(),
        sources: provider.sources.iter().map(Source::name).collect(),
        terms: provider.terms.clone(),
        usage: match provider.usage {
            Some(_) => UsageSource::Endpoint,
            None => UsageSource::Headers,
        },
        organization: organization(provider),
    }
}

fn organization(provider: &Provider) -> Option<String> {
    let all = provider.organizations.as_ref().filter(|all| all.choice != Choice::Page);
    all.map(|all| all.label.clone())
}

fn variable(source: &Source) -> Option<&String> {
    match source {
        Source::Env { var, .. } => Some(var),
        _ => None,
    }
}

fn describe_method(provider: &Provider, method: &Method, index: &Index, default: bool) -> protocol::Method {
    protocol::Method {
        id: method.id.clone(),
        label: method.label.clone(),
        grant: method.grant,
        notice: method.notice.clone(),
        notice_confirmed: index.confirmed_notices.contains(&provider.notice_name(method)),
        terms: provider.terms.clone(),
        default,
        needs_browser: method.needs_callback(),
        revocable: revocable(method),
        ends_others: (revocable(method) != Some(false))
            .then_some(provider.revocation_ends == RevocationEnds::AllLogins),
    }
}

/// Whether a logout takes a login of this method back at the provider, as far as the description tells.
fn revocable(method: &Method) -> Option<bool> {
    match (method.grant, method.revoke_url.is_some()) {
        // A key that the person brought along is the person's to keep.
        (Grant::ApiKey, _) => Some(false),
        (_, true) => Some(true),
        (_, false) => (!method.discover).then_some(false),
    }
}
