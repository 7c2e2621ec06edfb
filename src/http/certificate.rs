//! The one thing that is read of a certificate here: when it ends (RFC 5280, 4.1.2.5). Everything that trust
//! depends on is rustls's.

/// When a certificate ends, Unix seconds; `None` if that cannot be read.
pub fn end(der: &[u8]) -> Option<i64> {
    let (certificate, _) = value(der, 0x30)?;
    let (mut fields, _) = value(certificate, 0x30)?;
    // The version, which may be left out; then serial number, signature and issuer.
    if let Some((_, rest)) = value(fields, 0xa0) {
        fields = rest;
    }
    for tag in [0x02, 0x30, 0x30] {
        fields = value(fields, tag)?.1;
    }
    let (validity, _) = value(fields, 0x30)?;
    let (_, after) = any(validity)?;
    let (text, _, tag) = any(after).and_then(|(found, rest)| Some((found, rest, *after.first()?)))?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The content of the value that `der` begins with, and what comes after it.
fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // 0x80 is of BER alone, and nothing here is longer than four bytes can say.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The same, if it is of this type.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if *der.first()? == tag { any(der) } else { None }
}

/// UTCTime (`YYMMDDHHMMSSZ`, 1950 to 2049) or GeneralizedTime (`YYYYMMDDHHMMSSZ`).
fn time(tag: u8, text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let text = match tag {
        0x17 if text.len() == 12 => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        0x18 if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| text.get(from..to);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    let at = humantime::parse_rfc3339(&written).ok()?;
    i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, end) in [(2031, 1_924_992_000), (2049, 2_493_072_000), (2051, 2_556_144_000)] {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(super::end(certificate.der()), Some(end), "{year}");
            // Cut off anywhere it is no certificate, or still says the same.
            for length in 0..certificate.der().len() {
                assert!([None, Some(end)].contains(&super::end(&certificate.der()[..length])));
            }
        }
        assert_eq!(end(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
