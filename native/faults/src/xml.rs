//! As much XML as S3's requests and answers have.

/// The text of the first element of this name, with its entities undone.
pub fn between(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))? + start;
    Some(undone(&text[start..end]))
}

fn undone(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        let name = &rest[1..end];
        let number = name.strip_prefix("#x").map_or_else(
            || name.strip_prefix('#').and_then(|digits| digits.parse().ok()),
            |digits| u32::from_str_radix(digits, 16).ok(),
        );
        match name {
            "amp" => plain.push('&'),
            "lt" => plain.push('<'),
            "gt" => plain.push('>'),
            "quot" => plain.push('"'),
            "apos" => plain.push('\''),
            _ => plain.extend(number.and_then(char::from_u32)),
        }
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    plain
}

/// A text as an element holds it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A document of this element.
pub fn document(element: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{element}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_elements() {
        let text = "<A><Key>a&amp;b&#x20;&lt;&#99;</Key><Key>second</Key></A>";
        assert_eq!(between(text, "Key").as_deref(), Some("a&b <c"));
        assert_eq!(between(text, "B"), None);
        assert_eq!(between(&format!("<K>{}</K>", escaped("\"<&>\"")), "K").unwrap(), "\"<&>\"");
    }
}
