//! `convocations authority`.

use std::process::ExitCode;

use super::args::AuthorityArgs;
use super::context::Context;
use super::output;
use crate::authority::{Authority, Rates, Settings};
use crate::error::Result;
use crate::signals;

pub fn run(context: &Context, args: AuthorityArgs) -> Result<ExitCode> {
    let changes = args.rate_limit.iter().map(|change| change.parse());
    let rates = changes.collect::<Result<Vec<_>>>()?.into_iter().fold(Rates::default(), Rates::with);
    let own_secret = context.paths().config_dir().join("authority.secret");
    let settings = Settings {
        public_url: args.public_url,
        metrics: args.metrics,
        resources: args.resource,
        secret_file: args.secret_file,
        trust_forwarded_for: args.trust_forwarded_for,
        rates: (!args.no_rate_limit).then_some(rates),
        ..Settings::new(args.listen, &args.upstream, own_secret)
    };
    context.block_on(async {
        let authority = Authority::bind(&settings, context.clock.clone()).await?;
        if let Some(warning) = authority.warning() {
            output::note(warning);
        }
        output::note(&format!("The authority {} listens on {}.", authority.issuer(), authority.address()));
        if let Some(address) = authority.metrics_address() {
            output::note(&format!("Metrics are on http://{address}/metrics."));
        }
        authority.serve(signals::asked_to_end()).await;
        output::note("The authority has ended.");
        Ok(ExitCode::SUCCESS)
    })
}
