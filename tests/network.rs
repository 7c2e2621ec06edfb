//! Networks as people have them: a certificate authority of their own, and a proxy in between.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use common::proxy::{proxy, proxy_for};
use common::{Ran, Sandbox, TestDir, run};
use serde_json::Value;

/// A provider whose issuer is reached by TLS. Its document names the sandbox's other address, so a login ends
/// with that complaint once the document has come through, and with another one if it has not.
fn dir(sandbox: &Sandbox) -> TestDir {
    let dir = TestDir::new();
    let (url, pem) = sandbox.tls();
    dir.write_config(&format!("[providers.corp]\nissuer = \"{url}/generic\"\n"));
    std::fs::write(dir.paths().config_dir().join("ca.pem"), pem).unwrap();
    dir
}

fn login(dir: &TestDir, variables: &[(&str, &str)]) -> Ran {
    let mut command = dir.convocations(["login", "corp", "--no-browser"]);
    command.env("SSL_CERT_FILE", dir.paths().config_dir().join("ca.pem"));
    run(command.envs(variables.iter().copied()), "")
}

fn came_through(ran: &Ran) -> bool {
    ran.code() == 2 && ran.stderr.contains("names another issuer")
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let trusted = login(&dir, &[]);
    assert!(came_through(&trusted), "{trusted:?}");
    let foreign = run(&mut dir.convocations(["login", "corp", "--no-browser"]), "");
    assert_eq!(foreign.code(), 5, "{foreign:?}");
    assert!(foreign.stderr.contains("certificate of localhost is not trusted"), "{foreign:?}");
    assert!(foreign.stderr.contains("SSL_CERT_FILE"), "{foreign:?}");
    for (wrong, why) in [("/nonexistent", "is not there"), ("/dev/null", "is not a file of certificates")] {
        let ran = login(&dir, &[("SSL_CERT_FILE", wrong)]);
        assert_eq!(ran.code(), 5, "{wrong}: {ran:?}");
        assert!(ran.stderr.contains("SSL_CERT_FILE") && ran.stderr.contains(why), "{wrong}: {ran:?}");
    }
}

/// The same provider, trusted by `http.ca_file`; the file's text comes in its place, `~` for the home folder.
fn by_ca_file(sandbox: &Sandbox, file: &str) -> TestDir {
    let dir = dir(sandbox);
    let text = std::fs::read_to_string(dir.paths().config_file()).unwrap();
    dir.write_config(&format!("{text}[http]\nca_file = \"{file}\"\n"));
    dir
}

#[test]
fn an_authority_in_the_settings_is_trusted_whatever_the_environment_says() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = by_ca_file(&sandbox, "~/own.pem");
    let home = dir.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("own.pem"), sandbox.tls().1).unwrap();
    let log_in = |list: Option<&str>| {
        let mut command = dir.convocations(["login", "corp", "--no-browser"]);
        command.env("HOME", &home).envs(list.map(|list| ("SSL_CERT_FILE", list)));
        run(&mut command, "")
    };
    for list in [None, Some("/nonexistent"), Some("/dev/null")] {
        let ran = log_in(list);
        assert!(came_through(&ran), "{list:?}: {ran:?}");
    }
    std::fs::remove_file(home.join("own.pem")).unwrap();
    assert!(log_in(None).stderr.contains("which `http.ca_file` names, is not there"));
    let relative = by_ca_file(&sandbox, "own.pem");
    let ran = login(&relative, &[]);
    assert!(ran.code() == 2 && ran.stderr.contains("from `/` or `~/` on"), "{ran:?}");
}

/// Certificates of an authority that nobody uses: one that serves, and one that has ended.
fn authority(last_year: i32) -> String {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn each_trouble_of_a_file_of_authorities_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::start_with(&["--tls"]);
    let folder = TestDir::new();
    let file = folder.path().join("own.pem");
    let dir = by_ca_file(&sandbox, file.to_str().unwrap());
    let told = |words: &[&str]| {
        let ran = run(&mut dir.convocations(["login", "corp", "--no-browser"]), "");
        assert!(
            ran.code() == 5 && words.iter().all(|words| ran.stderr.contains(words)),
            "{words:?}: {ran:?}"
        );
        run(&mut dir.convocations(["doctor"]), "").stdout
    };
    assert!(told(&["http.ca_file", "is not there"]).contains("is not there"));
    std::fs::write(&file, "no certificate").unwrap();
    assert!(told(&["http.ca_file", "no certificate in PEM form"]).contains("BAD"));
    std::fs::write(&file, sandbox.tls().1).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    told(&["http.ca_file", "can be written by other users"]);
    std::fs::remove_file(&file).unwrap();
    // It was replaced by another one, or has ended.
    std::fs::write(&file, authority(2040)).unwrap();
    assert!(told(&["is not trusted", "out of date"]).contains("1 of them"));
    std::fs::write(&file, authority(2002)).unwrap();
    assert!(told(&["is not trusted"]).contains("have all ended"));
}

/// A proxy that wants a name and a password, and is told none, the wrong ones and the right ones.
#[test]
fn a_proxy_that_asks_for_a_password_is_named() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let (proxy, asked) = proxy_for(Some("Basic YWRhOnMzY3JldA=="));
    let with = |user: &str| proxy.replace("http://", &format!("http://{user}"));
    for user in ["", "ada:wr0ng@"] {
        let ran = login(&dir, &[("HTTPS_PROXY", &with(user))]);
        assert!(ran.code() == 5 && ran.stderr.contains("asks for a name and a password"), "{ran:?}");
        assert!(ran.stderr.contains("HTTPS_PROXY=") && !ran.stderr.contains("wr0ng"), "{ran:?}");
    }
    let ran = login(&dir, &[("HTTPS_PROXY", &with("ada:s3cret@"))]);
    assert!(came_through(&ran), "{ran:?}");
    assert!(asked.try_iter().count() > 2);
}

/// A folder in which somebody has a key for a provider whose API is at `url`.
fn in_use(url: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.corp]\nname = \"Corp\"\nbase_url = \"{url}\"\n\
         [providers.corp.login.api-key]\ngrant = \"api-key\"\n"
    ));
    run(&mut dir.convocations(["secret", "set", "corp"]), "sk-corp-key\n").ok();
    dir
}

/// The way that `doctor --online` walks: its steps, the one that failed, and why.
fn walk(dir: &TestDir, variables: &[(&str, &str)]) -> (Vec<String>, Option<String>, Ran) {
    let mut command = dir.convocations(["doctor", "--online", "--json"]);
    let ran = run(command.envs(variables.iter().copied()), "");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let [reach] = answer["online"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!(reach["logins"], serde_json::json!(["corp"]));
    let steps = reach["steps"].as_array().unwrap();
    let names = steps.iter().map(|step| step["step"].as_str().unwrap().to_owned()).collect();
    let error = steps.last().unwrap()["error"]["message"].as_str().map(str::to_owned);
    let (before, _) = steps.split_at(steps.len() - 1);
    assert!(before.iter().all(|step| step["error"].is_null()), "only the last one fails: {answer}");
    (names, error, ran)
}

#[track_caller]
fn fails_at(dir: &TestDir, variables: &[(&str, &str)], steps: &[&str], words: &str) {
    let (taken, error, ran) = walk(dir, variables);
    assert_eq!(taken, steps, "{ran:?}");
    assert!(error.as_ref().is_some_and(|error| error.contains(words)), "{error:?}");
    assert_eq!(ran.code(), 5, "{ran:?}");
}

/// Answers each request with 404 and this head.
fn answering(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream
                .write_all(format!("HTTP/1.1 404 Not Found\r\n{head}content-length: 0\r\n\r\n").as_bytes());
        }
    });
    url
}

#[test]
fn doctor_says_at_which_step_the_way_to_a_provider_ends() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let (https, pem) = sandbox.tls();
    let dir = in_use(&format!("{https}/generic"));
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let trusted = [("SSL_CERT_FILE", ca.to_str().unwrap())];
    let whole = ["name", "connect", "tls", "answer", "clock"];
    let (steps, error, plain) = walk(&dir, &trusted);
    assert_eq!(
        (steps.as_slice(), error, plain.code()),
        (whole.map(str::to_owned).as_slice(), None, 0),
        "{plain:?}"
    );
    let said = run(dir.convocations(["doctor", "--online"]).envs(trusted), "").ok().stdout;
    assert!(said.contains("can be reached") && said.contains("clocks agree"), "{said}");
    let said = run(&mut dir.convocations(["doctor", "--online"]), "");
    assert!(
        said.code() == 5 && said.stdout.contains("TLS failed. The certificate of localhost is not"),
        "{said:?}"
    );
    fails_at(&dir, &[], &whole[..3], "is not trusted");
    fails_at(&in_use("https://nosuch.invalid/v1"), &[], &whole[..1], "cannot be resolved");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fails_at(&in_use(&format!("https://{closed}/v1")), &[], &whole[..2], "No connection to");
    let plain = answering("").replace("http://", "https://");
    fails_at(&in_use(&plain), &[], &whole[..3], "No secure connection");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    fails_at(&in_use(&format!("https://{silent}")), &[], &whole[..3], "did not answer in time");
    let late = in_use(&answering("date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"));
    fails_at(&late, &[], &["name", "connect", "answer", "clock"], "ahead of");
}

#[test]
fn doctor_walks_through_the_proxy() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let (https, pem) = sandbox.tls();
    let dir = in_use(&format!("{https}/generic"));
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let (proxy, _asked) = proxy_for(Some("Basic YWRhOnMzY3JldA=="));
    let by = |proxy: String, steps: &[&str], words: &str| {
        fails_at(&dir, &[("SSL_CERT_FILE", ca.to_str().unwrap()), ("HTTPS_PROXY", &proxy)], steps, words);
    };
    by(proxy.clone(), &["name", "connect", "proxy"], "asks for a name and a password");
    by("http://nosuch.invalid:3128".to_owned(), &["name"], "the proxy nosuch.invalid");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    by(format!("http://{closed}"), &["name", "connect"], "No connection to the proxy");
    let stern = answering("");
    by(stern, &["name", "connect", "proxy"], "does not connect to localhost");
    let proxy = proxy.replace("http://", "http://ada:s3cret@");
    let (steps, error, plain) =
        walk(&dir, &[("SSL_CERT_FILE", ca.to_str().unwrap()), ("HTTPS_PROXY", &proxy)]);
    assert_eq!((steps.len(), error), (6, None), "{plain:?}");
    assert!(plain.stdout.contains("\"proxy\": \"127.0.0.1") && !plain.stdout.contains("s3cret"), "{plain:?}");
}

/// An HTTPS server whose certificate is for this host and these years: its address and its authority.
fn https_for(host: &str, years: [i32; 2]) -> (String, String) {
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let (own_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let pem = authority.self_signed(&own_key).unwrap().pem();
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years[0], 1, 1);
    params.not_after = rcgen::date_time_ymd(years[1], 1, 1);
    let certificate = params.signed_by(&key, &rcgen::Issuer::new(authority, own_key)).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = std::sync::Arc::new(config);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            // A handshake that the client refuses ends here.
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            let mut request = [0; 4096];
            if tls.read(&mut request).is_ok() {
                let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    (url, pem)
}

#[test]
fn a_certificate_of_another_time_or_host_is_told_from_one_that_nobody_trusts() {
    let time = "is not valid at this time";
    for (host, years, words, hint) in [
        ("localhost", [2001, 2002], time, "this machine's clock"),
        ("localhost", [2090, 2091], time, "this machine's clock"),
        ("other.example", [2001, 2091], "is for another host", "in between"),
        ("localhost", [2001, 2091], "", ""),
    ] {
        let (url, pem) = https_for(host, years);
        let dir = in_use(&format!("{url}/v1"));
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, pem).unwrap();
        let trusted = [("SSL_CERT_FILE", ca.to_str().unwrap())];
        if words.is_empty() {
            let (steps, error, ran) = walk(&dir, &trusted);
            assert_eq!((steps.last().map(String::as_str), error), (Some("answer"), None), "{ran:?}");
            continue;
        }
        fails_at(&dir, &trusted, &["name", "connect", "tls"], words);
        let said = run(dir.convocations(["doctor", "--online"]).envs(trusted), "");
        assert!(said.stdout.contains(hint), "{said:?}");
    }
}

#[test]
fn where_nothing_is_in_use_doctor_asks_nobody() {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n");
    let ran = run(&mut dir.convocations(["doctor", "--online"]), "").ok();
    assert!(ran.stdout.contains("No provider is in use"), "{ran:?}");
}

#[test]
fn a_proxy_is_used_unless_it_is_to_be_passed_by() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let (proxy, asked) = proxy();
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let ran = login(&dir, &[(name, &proxy)]);
        assert!(came_through(&ran), "{ran:?}");
        let line = asked.try_recv().expect("the proxy was asked");
        assert!(line.starts_with("CONNECT localhost:"), "{line}");
        assert_eq!(asked.try_iter().filter(|line| !line.starts_with("CONNECT localhost:")).count(), 0);
    }
    let ran = login(&dir, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "localhost")]);
    assert!(came_through(&ran), "{ran:?}");
    assert!(asked.try_recv().is_err(), "the proxy was passed by");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = login(&dir, &[("HTTPS_PROXY", &format!("http://{gone}"))]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("HTTPS_PROXY"), "{ran:?}");
}

/// Plain HTTP is for this machine alone: a proxy would read the secrets in it.
#[test]
fn what_stays_on_this_machine_passes_no_proxy() {
    let sandbox = Sandbox::start();
    let dir = TestDir::new();
    dir.write_config(&format!("{}\n[store]\nbackend = \"local-encrypted\"\n", sandbox.config_toml()));
    sandbox.switch(serde_json::json!({ "github": { "interval": 1 } }));
    sandbox.control("consent", serde_json::json!({ "mode": "auto" }));
    let (proxy, asked) = proxy();
    let mut command = dir.convocations(["login", "github-copilot", "--method", "device"]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy);
    }
    run(&mut command, "").ok();
    assert!(asked.try_recv().is_err(), "the proxy was passed by");
}

/// As in a minimal container: the folders where systems keep their authorities are empty. `None` where a
/// process may not have a root of its own.
#[cfg(target_os = "linux")]
fn without_authorities(dir: &TestDir, args: &str) -> Option<std::process::Command> {
    let own_root = ["--user", "--map-root-user", "--mount"];
    let may = std::process::Command::new("unshare").args(own_root).arg("true").output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this process may not unshare its mounts");
        return None;
    }
    let hide = "for d in /etc/ssl /usr/lib/ssl /usr/local/ssl /etc/pki /usr/share/ca-certificates /var/lib/ca-certificates; \
                do [ ! -d $d ] || mount -t tmpfs none $d; done";
    let program = env!("CARGO_BIN_EXE_convocations");
    let mut command = dir.command("unshare");
    command.args(own_root).args(["sh", "-c", &format!("{hide}; exec {program} {args}")]);
    Some(command)
}

/// Nobody's certificate is needed to talk to this machine.
#[cfg(target_os = "linux")]
#[test]
fn a_system_without_authorities_logs_in_on_this_machine() {
    let (sandbox, dir) = (Sandbox::start(), TestDir::new());
    dir.write_config(&format!("{}\n[store]\nbackend = \"local-encrypted\"\n", sandbox.config_toml()));
    sandbox.switch(serde_json::json!({ "github": { "interval": 1 } }));
    sandbox.control("consent", serde_json::json!({ "mode": "auto" }));
    let Some(mut login) = without_authorities(&dir, "login github-copilot --method device") else { return };
    run(&mut login, "").ok();
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_authorities_trusts_mozillas() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let dir = dir(&sandbox);
    let Some(mut login) = without_authorities(&dir, "login corp --no-browser") else { return };
    let ran = run(&mut login, "");
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("certificate of localhost is not trusted"), "HTTPS was spoken: {ran:?}");
    let Some(mut doctor) = without_authorities(&dir, "doctor") else { return };
    let ran = run(&mut doctor, "");
    assert!(ran.stdout.contains("HTTPS uses Mozilla's"), "{ran:?}");
    let mut named = without_authorities(&dir, "login corp --no-browser").unwrap();
    let ran = run(named.env("SSL_CERT_FILE", "/nonexistent"), "");
    assert!(ran.stderr.contains("is not there"), "a file that was named has to be there: {ran:?}");
}
