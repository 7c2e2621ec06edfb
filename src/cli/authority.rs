//! `convocations authority`.

use std::process::ExitCode;

use super::args::AuthorityArgs;
use super::{Context, output};
use crate::authority::{Settings, serve};
use crate::error::Result;
use crate::signals;

pub fn run(context: &Context, args: AuthorityArgs) -> Result<ExitCode> {
    let settings = Settings {
        public_url: args.public_url,
        metrics: args.metrics,
        trust_forwarded_for: args.trust_forwarded_for,
        rate_limit: !args.no_rate_limit,
        ..Settings::new(args.listen, &args.upstream)
    };
    let own_secret = context.paths.config_dir().join("authority.secret");
    context.block_on(async {
        let bound =
            serve::bind(&settings, args.secret_file.as_deref(), &own_secret, context.clock.clone()).await?;
        output::note(&format!("The authority {} listens on {}.", bound.issuer(), bound.address()));
        if let Some(address) = bound.metrics_address() {
            output::note(&format!("Metrics are on http://{address}/metrics."));
        }
        bound.serve(signals::asked_to_end()).await;
        output::note("The authority has ended.");
        Ok(ExitCode::SUCCESS)
    })
}
