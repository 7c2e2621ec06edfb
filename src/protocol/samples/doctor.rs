//! Samples of what `doctor` finds.

use super::*;

/// By the type's name.
pub(super) fn shapes() -> Value {
    let finding = |hint| Finding { mark: Mark::Note, message: "It is set.".to_owned(), hint };
    let step = |error| ReachStep { step: Step::Tls, ms: 12, error };
    let reach = |error| Reach {
        server: "https://api.example".to_owned(),
        logins: vec!["anthropic@work".to_owned()],
        proxy: Some("proxy.example:3128".to_owned()),
        steps: vec![step(error)],
    };
    let doctor = |online| DoctorAnswer { findings: vec![finding(None)], online };
    json!({
        "DoctorAnswer": pair(doctor(Some(vec![reach(Some(error()))])), doctor(None)),
        "Finding": pair(finding(Some("Mend it.".to_owned())), finding(None)),
        "Reach": pair(reach(Some(error())), Reach { proxy: None, ..reach(None) }),
        "ReachStep": pair(step(Some(error())), step(None)),
    })
}
