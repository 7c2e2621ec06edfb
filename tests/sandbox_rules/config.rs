//! The sandbox's config.toml is one that the product takes, and leaves nothing that leads outside.

use convocations::config::Config;

use crate::common::{Sandbox, TestDir};

#[test]
fn every_built_in_provider_leads_to_the_sandbox() {
    let (sandbox, dir) = (Sandbox::start(), TestDir::new());
    dir.write_config(&sandbox.config_toml());
    let config = Config::load(&dir.paths(), None).unwrap();
    for id in config.provider_ids() {
        let provider = config.provider(&id).unwrap();
        let base_url = provider.base_url.clone().unwrap_or_default();
        assert!(base_url.is_empty() || base_url.starts_with(sandbox.url()), "{id}: {base_url}");
        let shown = format!("{provider:?}");
        assert!(shown.contains(sandbox.url()), "{id} shows no URL at all");
        for found in shown.split("https://").skip(1) {
            let host: String = found.chars().take(40).collect();
            // A client id may be a URL; it is a name and never visited.
            assert!(shown.contains(&format!("client_id: Some(\"https://{host}")), "{id} leads to {host}");
        }
    }
}
