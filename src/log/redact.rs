//! Taking secrets out of text that should have none.
//!
//! Guarantees: pure. What looks like a token goes, even where it is none; a path, an address of a host and a
//! sentence stay.

/// Takes out whatever looks like a secret: long runs of token characters, known prefixes, values of telling
/// names.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-_.~+/".contains(character) {
            run.push(character);
            continue;
        }
        push_run(&mut clean, &run);
        run.clear();
        clean.push(character);
    }
    push_run(&mut clean, &run);
    clean
}

fn push_run(clean: &mut String, run: &str) {
    let named = ["code=", "state=", "token=", "key=", "verifier=", "secret=", "Bearer ", "bearer "];
    let telling = named.iter().any(|name| clean.ends_with(name));
    let prefixed = ["sk-", "gho_", "ghu_", "ghp_", "eyJ"].iter().any(|prefix| run.starts_with(prefix));
    // A path has slashes and dots in it, a word no digits.
    let long = run.len() >= 24 && run.bytes().any(|byte| byte.is_ascii_digit()) && !run.contains('/');
    if !run.is_empty() && (telling || long || (prefixed && run.len() > 8)) {
        clean.push('…');
    } else {
        clean.push_str(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_taken_out() {
        for secret in [
            "sk-or-v1-0123456789",
            "gho_abcdefgh1",
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5",
        ] {
            let clean = redact(&format!("got {secret}, then \"{secret}\""));
            assert!(!clean.contains(secret) && clean.contains("got …, then"), "{clean}");
        }
        assert_eq!(redact("code=ab&state=cd Bearer ef"), "code=…&state=… Bearer …");
    }

    #[test]
    fn what_is_plain_stays() {
        let text =
            "In /home/a1/.config/convocations/credentials.toml, the login `anthropic@work2` (HTTP 503).";
        assert_eq!(redact(text), text);
    }
}
