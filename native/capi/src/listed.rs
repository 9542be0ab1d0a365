//! A listing on its way up: column by column, because a hundred thousand lines come through
//! here, and what is the same in all of them need not be said in each.

use std::collections::HashMap;
use std::sync::Arc;

use dipper_core::{Page, Place};
use dipper_wire::{Line, Owner};

use crate::messages::{OwnerMessage, PageMessage, PlaceMessage};

/// What `sizes` says of a group.
const GROUP: i64 = -1;
const LATEST: u8 = 1;
const DELETE_MARKER: u8 = 2;

impl From<Page> for PageMessage {
    fn from(page: Page) -> Self {
        let count = page.lines.len();
        let mut names = Vec::with_capacity(count);
        let mut sizes = Vec::with_capacity(count);
        let mut times = Vec::with_capacity(count);
        let mut etags = Column::new(count);
        let mut ids = Column::new(count);
        let mut flags = Vec::with_capacity(count);
        let (mut classes, mut owners) = (Shared::new(count), Shared::new(count));
        for line in page.lines {
            names.push(line.name);
            sizes.push(match line.line {
                Line::Prefix => GROUP,
                _ => i64::try_from(line.size).unwrap_or(i64::MAX),
            });
            times.push(line.time.unwrap_or(0));
            etags.push(line.etag);
            ids.push(line.id);
            flags.push(
                if line.latest { LATEST } else { 0 }
                    | if line.line == Line::DeleteMarker { DELETE_MARKER } else { 0 },
            );
            classes.push(line.class);
            owners.push(line.owner);
        }
        let (classes, class_of) = classes.finish(|class: &Arc<str>| class.to_string());
        let (owners, owner_of) = owners.finish(|owner: &Arc<Owner>| OwnerMessage {
            id: owner.id.clone(),
            display_name: owner.name.clone(),
        });
        Self {
            names,
            sizes,
            times,
            etags: etags.finish(),
            ids: ids.finish(),
            flags: Some(flags).filter(|flags| flags.iter().any(|flag| *flag != 0)),
            classes,
            class_of,
            owners,
            owner_of,
            next: page.next.map(PlaceMessage::from),
        }
    }
}

/// A column of texts that is not there at all when all of them are missing.
struct Column {
    texts: Vec<String>,
    any: bool,
}

impl Column {
    fn new(count: usize) -> Self {
        Self { texts: Vec::with_capacity(count), any: false }
    }

    fn push(&mut self, text: Option<String>) {
        self.any |= text.is_some();
        self.texts.push(text.unwrap_or_default());
    }

    fn finish(self) -> Option<Vec<String>> {
        Some(self.texts).filter(|_| self.any)
    }
}

/// A column of which few values differ: the values, and for each line which one it has.
struct Shared<T> {
    values: Vec<T>,
    numbers: HashMap<T, i32>,
    of: Vec<i32>,
}

/// No value.
const NONE: i32 = -1;

impl<T: Clone + Eq + std::hash::Hash> Shared<T> {
    fn new(count: usize) -> Self {
        Self { values: Vec::new(), numbers: HashMap::new(), of: Vec::with_capacity(count) }
    }

    fn push(&mut self, value: Option<T>) {
        let number = match value {
            None => NONE,
            Some(value) => match (self.of.last(), self.values.last()) {
                // Neighbours have the same one most often.
                (Some(last), Some(known))
                    if *known == value && usize::try_from(*last) == Ok(self.values.len() - 1) =>
                {
                    *last
                }
                _ => {
                    let next = i32::try_from(self.values.len()).unwrap_or(NONE);
                    let values = &mut self.values;
                    *self.numbers.entry(value).or_insert_with_key(|value| {
                        values.push(value.clone());
                        next
                    })
                }
            },
        };
        self.of.push(number);
    }

    /// The column is left away where all lines have the one value there is, or none.
    fn finish<M>(self, message: impl Fn(&T) -> M) -> (Option<Vec<M>>, Option<Vec<i32>>) {
        if self.values.is_empty() {
            return (None, None);
        }
        let alike = self.values.len() == 1 && self.of.iter().all(|number| *number == 0);
        let values = self.values.iter().map(message).collect();
        (Some(values), Some(self.of).filter(|_| !alike))
    }
}

impl From<Place> for PlaceMessage {
    fn from(place: Place) -> Self {
        Self {
            token: place.token,
            after: place.after,
            after_id: place.after_id,
            after_group: Some(place.after_group).filter(|group| *group),
            seen: Some(place.seen).filter(|seen| *seen),
        }
    }
}

impl From<PlaceMessage> for Place {
    fn from(place: PlaceMessage) -> Self {
        Self {
            token: place.token,
            after: place.after,
            after_id: place.after_id,
            after_group: place.after_group.unwrap_or(false),
            seen: place.seen.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dipper_wire::Listed;

    fn listed(line: Line, name: &str, class: Option<&str>) -> Listed {
        Listed {
            line,
            name: name.into(),
            size: 7,
            time: Some(1),
            etag: None,
            class: class.map(Arc::from),
            id: None,
            latest: false,
            owner: None,
        }
    }

    #[test]
    fn what_all_lines_share_is_said_once() {
        let lines =
            vec![listed(Line::Object, "a", Some("S")), listed(Line::Object, "b", Some("S"))];
        let message = PageMessage::from(Page { lines, next: None });
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(json, r#"{"names":["a","b"],"sizes":[7,7],"times":[1,1],"classes":["S"]}"#);
    }

    #[test]
    fn what_differs_is_said_by_number() {
        let lines = vec![
            listed(Line::Object, "a", Some("S")),
            listed(Line::Object, "b", Some("T")),
            listed(Line::Prefix, "c/", None),
            listed(Line::Object, "d", Some("S")),
            listed(Line::Object, "e", Some("T")),
        ];
        let message = PageMessage::from(Page { lines, next: None });
        assert_eq!(message.sizes, [7, 7, -1, 7, 7]);
        assert_eq!(message.classes.unwrap(), ["S", "T"]);
        assert_eq!(message.class_of.unwrap(), [0, 1, -1, 0, 1]);
    }
}
