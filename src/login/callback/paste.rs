//! What a person pastes: the code, `code#state`, a query string or the whole address, as terminals and mail
//! programs leave them (rule 15).
//!
//! Guarantees: pure, and total over any text.

use url::Url;
use zeroize::Zeroizing;

use super::params::{CallbackRejection, Params};
use crate::secret::Secret;
use crate::text::{is_hidden, pasted};

/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// Shortest line that a terminal breaks a code into. What has shorter ones is a text of several lines.
const SHORTEST_LINE: usize = 16;
/// How API keys and tokens begin that people have in their clipboards; no provider's codes do.
const KEY_PREFIXES: &[&str] = &[
    "sk-",
    "xai-",
    "gsk_",
    "AIza",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "hf_",
    "pplx-",
    "nvapi-",
    "xoxb-",
    "xoxp-",
    "AKIA",
];

/// A pasted text, taken apart.
#[derive(Debug, PartialEq)]
pub(in crate::login) struct Pasted {
    /// Scheme, host, port and path, if it was a whole address.
    pub address: Option<Address>,
    /// What it carries.
    pub params: Params,
}

/// The part of a callback address that is told apart from its query.
#[derive(Debug, PartialEq)]
pub(in crate::login) struct Address(Secret);

impl Address {
    /// The address of a URL, without query and fragment.
    pub fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Self(Secret::new(format!("{}://{host}:{port}{}", url.scheme(), url.path())))
    }
}

/// Takes a pasted text apart.
pub(in crate::login) fn parse(text: &str) -> Result<Pasted, CallbackRejection> {
    if text.len() > MAX_TEXT {
        return Err(CallbackRejection::Malformed);
    }
    let raw = text;
    let text = tidy(raw);
    if has_scheme(&text) {
        return address(&text);
    }
    let bare = match text.split_once('?') {
        // An address whose scheme the browser did not show.
        Some((address, query)) if !is_query(address) && is_query(query) => query,
        _ => text.trim_start_matches(['?', '#', '&']),
    };
    let params = match is_query(bare) {
        true => query(bare)?,
        false if is_prose(raw) => return Err(CallbackRejection::Malformed),
        false => code(&text)?,
    };
    Ok(Pasted { address: None, params })
}

/// Whether a code, or the `state` behind it, has blanks where no terminal puts them: inside a line, or after
/// a few letters.
fn is_prose(text: &str) -> bool {
    pasted(text).split('#').any(|part| {
        let mut lines: Vec<&str> = part.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let has_blank = lines.iter().any(|line| line.contains(char::is_whitespace));
        lines.pop();
        has_blank || lines.iter().any(|line| line.chars().count() < SHORTEST_LINE)
    })
}

/// Without the blanks, line breaks, quotes and brackets that got around or into it, none of which an address,
/// a query or a code can hold.
pub(in crate::login) fn tidy(text: &str) -> Zeroizing<String> {
    let keep = |c: &char| !c.is_whitespace() && !is_hidden(*c);
    let text: Zeroizing<String> = Zeroizing::new(pasted(text).chars().filter(keep).collect());
    let around = |c: char| matches!(c, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | '“' | '”' | '‘' | '’');
    Zeroizing::new(text.trim_matches(around).to_owned())
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_query(text: &str) -> bool {
    let known = ["code=", "key=", "state=", "error=", "iss="];
    text.split('&').any(|pair| known.iter().any(|name| pair.starts_with(name)))
}

/// A whole address. Some providers put the answer into the fragment.
fn address(text: &str) -> Result<Pasted, CallbackRejection> {
    let url = Url::parse(text).map_err(|_| CallbackRejection::Malformed)?;
    let fragment = url.fragment().filter(|fragment| is_query(fragment));
    let params = Params::parse(url.query().filter(|query| is_query(query)).or(fragment).unwrap_or_default())?;
    Ok(Pasted { address: Some(Address::of(&url)), params })
}

/// A query string, perhaps with a fragment that a browser left behind (`#_=_`).
fn query(text: &str) -> Result<Params, CallbackRejection> {
    let (query, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut params = Params::parse(query)?;
    // `code=…#state`: the shape of the paste page, copied along with its name.
    if params.state.is_none() && !fragment.is_empty() && !fragment.contains('=') {
        params.state = Some(Secret::new(fragment));
    }
    Ok(params)
}

/// `code` or `code#state`.
fn code(text: &str) -> Result<Params, CallbackRejection> {
    let (code, state) = match text.split_once('#') {
        Some((code, state)) => (code, Some(state)),
        None => (text, None),
    };
    if KEY_PREFIXES.iter().any(|prefix| code.starts_with(prefix)) {
        return Err(CallbackRejection::Key);
    }
    if code.is_empty() || state.is_some_and(|state| state.is_empty() || state.contains('#')) {
        return Err(CallbackRejection::Malformed);
    }
    Ok(Params { code: Some(Secret::new(code)), state: state.map(Secret::new), ..Params::default() })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn parsed(text: &str) -> (Option<String>, Option<String>, bool) {
        let pasted = parse(text).unwrap_or_else(|why| panic!("{text:?}: {why:?}"));
        let shown = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
        (shown(pasted.params.code), shown(pasted.params.state), pasted.address.is_some())
    }

    fn is(code: &str, state: Option<&str>, address: bool) -> (Option<String>, Option<String>, bool) {
        (Some(code.into()), state.map(Into::into), address)
    }

    #[test]
    fn takes_every_form() {
        assert_eq!(parsed("abc-123_~"), is("abc-123_~", None, false));
        assert_eq!(parsed("abc#st"), is("abc", Some("st"), false));
        assert_eq!(parsed("code=a%2Bb&state=st"), is("a+b", Some("st"), false));
        assert_eq!(parsed("?state=st&code=ab"), is("ab", Some("st"), false));
        assert_eq!(parsed("code=ab#st"), is("ab", Some("st"), false));
        assert_eq!(parsed("code=ab&state=st#_=_"), is("ab", Some("st"), false));
        assert_eq!(parsed("http://localhost:3/cb?code=ab&state=st"), is("ab", Some("st"), true));
        assert_eq!(parsed("localhost:3/cb?code=ab&state=st"), is("ab", Some("st"), false));
        assert_eq!(parsed("code=a?code=b&state=st"), is("a?code=b", Some("st"), false));
        assert_eq!(parsed("http://localhost:3/cb#code=ab&state=st"), is("ab", Some("st"), true));
    }

    #[test]
    fn takes_what_terminals_and_mail_programs_make_of_it() {
        assert_eq!(
            parsed("  'abcdefghijklmnop\n   qrstuvwxyz012345#st\u{200b}ate'\r\n"),
            is("abcdefghijklmnopqrstuvwxyz012345", Some("state"), false)
        );
        assert_eq!(parsed("abc\n#  st\n"), is("abc", Some("st"), false));
        assert_eq!(
            parsed("<http://localhost:3/callback?co\n  de=a\u{200b}b&sta\r\nte=st>\n"),
            is("ab", Some("st"), true)
        );
        assert_eq!(parsed("\u{1b}abc"), is("abc", None, false));
        assert_eq!(parsed("\u{1b}[200~abc#st\u{1b}[201~"), is("abc", Some("st"), false));
    }

    #[test]
    fn refuses_what_is_no_answer() {
        for text in [
            "",
            " \n",
            "\"\"",
            "#",
            "#state",
            "code#",
            "a#b#c",
            "code=a&code=b",
            "http://",
            "https://[/?code=a",
        ] {
            assert_eq!(parse(text), Err(CallbackRejection::Malformed), "{text:?}");
        }
        assert_eq!(parse(&"x".repeat(MAX_TEXT + 1)), Err(CallbackRejection::Malformed));
    }

    #[test]
    fn refuses_what_a_clipboard_holds_beside_codes() {
        for text in
            ["see you at ten", "two words", "first\nsecond", "a\tb", "local function x()\n  return 1\nend"]
        {
            assert_eq!(parse(text), Err(CallbackRejection::Malformed), "{text:?}");
        }
        for text in
            ["sk-or-v1-0123456789abcdef", " 'sk-ant-oat01-x' \n", "ghp_x", "github_pat_x#state", "AIzaSy"]
        {
            assert_eq!(parse(text), Err(CallbackRejection::Key), "{text:?}");
        }
        assert_eq!(parsed("skate-or-not"), is("skate-or-not", None, false));
    }

    #[test]
    fn an_address_is_told_apart_to_the_port_and_the_path() {
        let of = |text: &str| parse(text).unwrap().address.unwrap();
        let ours = of("http://localhost:3000/callback?code=a");
        assert_eq!(ours, of("HTTP://LOCALHOST:3000/callback?code=b#c"));
        for other in [
            "http://localhost:3001/callback",
            "http://localhost:3000/callback/",
            "http://127.0.0.1:3000/callback",
            "https://localhost:3000/callback",
            "http://localhost.evil.example:3000/callback",
        ] {
            assert_ne!(ours, of(other), "{other}");
        }
    }

    /// Whatever a clipboard holds, the parser answers; and blanks put anywhere into an answer change nothing.
    #[test]
    fn is_total_and_blind_to_blanks() {
        let mut random = StdRng::seed_from_u64(7);
        let alphabet: Vec<char> =
            "ab01#&=?%/:.+-_~ \n\t\"'<>é\u{200b}\u{0}codestateerrorhttp://".chars().collect();
        for _ in 0..20_000 {
            let length = random.random_range(0..40);
            let text: String =
                (0..length).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect();
            let _ = parse(&text);
        }
        let answer = "http://localhost:3000/callback?code=abc-def&state=0123456789";
        for _ in 0..2_000 {
            let mut text = answer.to_owned();
            for _ in 0..random.random_range(1..6) {
                text.insert_str(
                    random.random_range(0..=text.len()),
                    [" ", "\n", "\r\n  ", "\t"][random.random_range(0..4)],
                );
            }
            assert_eq!(parse(&text), parse(answer), "{text:?}");
        }
    }
}
