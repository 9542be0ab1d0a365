//! What a condition makes of a part of a file, from what is known about its columns.
//!
//! For each part it is asked which of true, false and neither the condition can be for a row of
//! it. What is not known excludes nothing.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, StringArray, UInt64Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;

use super::Points;
use super::bind::{Node, Value, plain, text};
use super::evaluate::{as_type, compare, compare_float};
use super::syntax::Comparison;

/// What is known about a column in many parts of a file, an entry for each; null where it is not
/// known.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// No value is less; of the column's type. NaN does not count.
    pub min: Option<ArrayRef>,
    /// No value is greater.
    pub max: Option<ArrayRef>,
    /// How many values are missing.
    pub nulls: Option<UInt64Array>,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const NEITHER: u8 = 4;
const ANY: u8 = TRUE | FALSE | NEITHER;

pub(super) fn could_match(
    node: &Node,
    rows: &[u64],
    known: &dyn Fn(&str) -> Option<Statistics>,
) -> Vec<bool> {
    let parts = Parts { rows, known };
    parts.node(node).into_iter().map(|possible| possible & TRUE != 0).collect()
}

struct Parts<'a> {
    rows: &'a [u64],
    known: &'a dyn Fn(&str) -> Option<Statistics>,
}

impl Parts<'_> {
    fn all(&self, possible: u8) -> Vec<u8> {
        vec![possible; self.rows.len()]
    }

    /// Which answers each part can give.
    fn node(&self, node: &Node) -> Vec<u8> {
        match node {
            Node::Constant(truth) => self.all(answer(*truth)),
            Node::And(parts) => self.joined(parts, TRUE, |a, b| match (a, b) {
                (FALSE, _) | (_, FALSE) => FALSE,
                (TRUE, TRUE) => TRUE,
                _ => NEITHER,
            }),
            Node::Or(parts) => self.joined(parts, FALSE, |a, b| match (a, b) {
                (TRUE, _) | (_, TRUE) => TRUE,
                (FALSE, FALSE) => FALSE,
                _ => NEITHER,
            }),
            Node::Not(of) => each(&self.node(of), |one| match one {
                TRUE => FALSE,
                FALSE => TRUE,
                other => other,
            }),
            Node::Is { of, truth } => {
                let wanted = answer(*truth);
                each(&self.node(of), |one| if one == wanted { TRUE } else { FALSE })
            }
            Node::Null(value) => {
                let Some(known) = self.column(value) else { return self.all(TRUE | FALSE) };
                self.nulls(&known)
                    .into_iter()
                    .map(|nulls| match nulls {
                        Nulls::None => FALSE,
                        Nulls::All => TRUE,
                        Nulls::Some => TRUE | FALSE,
                    })
                    .collect()
            }
            Node::Known(value, truth) => {
                let known = self.column(value).unwrap_or_default();
                self.values(&known, self.all(answer(Some(*truth))))
            }
            Node::Truth(value) => {
                let to: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
                self.compared(
                    value,
                    Comparison::Equal,
                    |comparison, array| compare(comparison, array, &to),
                    to.data_type(),
                    false,
                )
            }
            Node::Compare { comparison, value, to } => self.compared(
                value,
                *comparison,
                |comparison, array| compare(comparison, array, to),
                to.data_type(),
                false,
            ),
            Node::CompareFloat { comparison, value, to } => self.compared(
                value,
                *comparison,
                |comparison, array| compare_float(comparison, array, *to),
                &DataType::Float64,
                true,
            ),
            Node::In { value, set } => self.among(value, set, false),
            Node::InFloat { value, set } => {
                let set: ArrayRef = Arc::new(Float64Array::from(set.clone()));
                self.among(value, &set, true)
            }
            Node::Like { value, pattern, any_case: false } => self.like(value, pattern),
            Node::Like { .. } | Node::Compare2 { .. } => self.all(ANY),
        }
    }

    fn joined(&self, parts: &[Node], neutral: u8, join: fn(u8, u8) -> u8) -> Vec<u8> {
        parts.iter().fold(self.all(neutral), |whole, part| {
            let part = self.node(part);
            whole.iter().zip(part).map(|(a, b)| both(*a, b, join)).collect()
        })
    }

    /// What is known about a column that is no member of another.
    fn column(&self, value: &Value) -> Option<Statistics> {
        match value {
            Value::Column(path) => match path.as_slice() {
                [name] => (self.known)(name),
                _ => None,
            },
            _ => None,
        }
    }

    fn nulls(&self, known: &Statistics) -> Vec<Nulls> {
        self.rows
            .iter()
            .enumerate()
            .map(|(part, rows)| {
                let counts = known.nulls.as_ref().filter(|counts| part < counts.len());
                match counts.filter(|counts| counts.is_valid(part)).map(|counts| counts.value(part))
                {
                    Some(0) => Nulls::None,
                    Some(nulls) if nulls >= *rows => Nulls::All,
                    _ => Nulls::Some,
                }
            })
            .collect()
    }

    /// Adds what missing values make of it.
    fn values(&self, known: &Statistics, of_values: Vec<u8>) -> Vec<u8> {
        self.nulls(known)
            .into_iter()
            .zip(of_values)
            .map(|(nulls, possible)| match nulls {
                Nulls::None => possible,
                Nulls::All => NEITHER,
                Nulls::Some => possible | NEITHER,
            })
            .collect()
    }

    /// A comparison of each value with one. `float` for values of which NaN can be one.
    fn compared(
        &self,
        value: &Value,
        comparison: Comparison,
        with: impl Fn(Comparison, &ArrayRef) -> Result<BooleanArray, ArrowError>,
        kind: &DataType,
        float: bool,
    ) -> Vec<u8> {
        use Comparison::{
            Distinct, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Same, Unequal,
        };
        let Some(known) = self.column(value) else { return self.all(ANY) };
        let least = self.bound(known.min.as_ref(), kind, float);
        let most = self.bound(known.max.as_ref(), kind, float);
        let test = |comparison, bound: &Option<ArrayRef>| -> Vec<Option<bool>> {
            let answers = bound.as_ref().and_then(|bound| with(comparison, bound).ok());
            (0..self.rows.len())
                .map(|part| {
                    let bound = bound.as_ref()?;
                    let answers = answers.as_ref()?;
                    let valid = answers.is_valid(part) && !(float && not_a_number(bound, part));
                    valid.then(|| answers.value(part))
                })
                .collect()
        };
        // Whether the least value, and whether the greatest, meets the comparison.
        let pair = |comparison| test(comparison, &least).into_iter().zip(test(comparison, &most));
        let possible: Vec<u8> = match comparison {
            Less | LessOrEqual => pair(comparison)
                .map(|(least, most)| set(least != Some(false), most != Some(true)))
                .collect(),
            Greater | GreaterOrEqual => pair(comparison)
                .map(|(least, most)| set(most != Some(false), least != Some(true)))
                .collect(),
            Equal | Unequal | Same | Distinct => {
                let below = test(LessOrEqual, &least);
                let above = test(GreaterOrEqual, &most);
                pair(Equal)
                    .zip(below.into_iter().zip(above))
                    .map(|((least, most), (below, above))| {
                        let inside = below != Some(false) && above != Some(false);
                        let only = least == Some(true) && most == Some(true);
                        let (equal, unequal) = (inside, !only);
                        if matches!(comparison, Equal | Same) {
                            set(equal, unequal)
                        } else {
                            set(unequal, equal)
                        }
                    })
                    .collect()
            }
        };
        // NaN is no bound, and unequal to all there is.
        let nan = match (float, comparison) {
            (false, _) => 0,
            (true, Unequal | Distinct) => TRUE,
            (true, _) => FALSE,
        };
        self.values(&known, possible.into_iter().map(|one| one | nan).collect())
    }

    /// Bounds as the type that is compared, one for each part.
    fn bound(&self, bound: Option<&ArrayRef>, kind: &DataType, float: bool) -> Option<ArrayRef> {
        let bound = bound.filter(|bound| bound.len() == self.rows.len())?;
        let wanted = if float { &DataType::Float64 } else { kind };
        let same = plain(bound.data_type()) == wanted
            || float && bound.data_type().is_floating()
            || text(plain(bound.data_type())) && text(wanted);
        if same { as_type(bound, wanted).ok() } else { None }
    }

    /// Whether values are among sorted ones.
    fn among(&self, value: &Value, set: &ArrayRef, float: bool) -> Vec<u8> {
        const MOST: usize = 1000;
        let any = |known: &Statistics| self.values(known, self.all(TRUE | FALSE));
        let Some(known) = self.column(value) else { return self.all(ANY) };
        let mut possible = self.all(FALSE);
        let few = set.len() <= MOST;
        // Of many values only the least and the greatest are looked at.
        let tests: Vec<(Comparison, usize)> = if few {
            (0..set.len()).map(|index| (Comparison::Equal, index)).collect()
        } else {
            vec![(Comparison::GreaterOrEqual, 0), (Comparison::LessOrEqual, set.len() - 1)]
        };
        if !few {
            possible = any(&known);
        }
        for (comparison, index) in tests {
            let to = set.slice(index, 1);
            let one = if float {
                let to = to.as_primitive::<arrow_array::types::Float64Type>().value(0);
                self.compared(
                    value,
                    comparison,
                    |comparison, array| compare_float(comparison, array, to),
                    &DataType::Float64,
                    true,
                )
            } else {
                self.compared(
                    value,
                    comparison,
                    |comparison, array| compare(comparison, array, &to),
                    set.data_type(),
                    false,
                )
            };
            for (possible, one) in possible.iter_mut().zip(one) {
                if few {
                    *possible |= one;
                } else if one & TRUE == 0 {
                    *possible &= !TRUE;
                }
            }
        }
        possible
    }

    /// A pattern that begins with plain characters.
    fn like(&self, value: &Value, pattern: &str) -> Vec<u8> {
        let prefix: String =
            pattern.chars().take_while(|one| !matches!(one, '%' | '_' | '\\')).collect();
        if prefix.is_empty() {
            return self.all(ANY);
        }
        let compared = |comparison, to: &str| {
            let to: ArrayRef = Arc::new(StringArray::from(vec![to]));
            self.compared(
                value,
                comparison,
                |comparison, array| compare(comparison, array, &to),
                &DataType::Utf8,
                false,
            )
        };
        // What begins so need not match. This is said first: where there are nulls and no value
        // begins so, nothing but the nulls would be left.
        let anything = |one| if one == NEITHER { one } else { one | FALSE };
        let possible = compared(Comparison::GreaterOrEqual, &prefix).into_iter().map(anything);
        let mut possible: Vec<u8> = possible.collect();
        if let Some(after) = following(&prefix) {
            let below = compared(Comparison::Less, &after);
            for (possible, below) in possible.iter_mut().zip(below) {
                *possible &= below | !TRUE;
            }
        }
        possible
    }
}

/// A text that is greater than all that begin so.
fn following(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(other as u32 + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[derive(Clone, Copy)]
enum Nulls {
    None,
    Some,
    All,
}

fn answer(truth: Option<bool>) -> u8 {
    match truth {
        Some(true) => TRUE,
        Some(false) => FALSE,
        None => NEITHER,
    }
}

fn set(truth: bool, falsehood: bool) -> u8 {
    u8::from(truth) * TRUE + u8::from(falsehood) * FALSE
}

fn each(possible: &[u8], of: impl Fn(u8) -> u8) -> Vec<u8> {
    possible
        .iter()
        .map(|possible| {
            [TRUE, FALSE, NEITHER]
                .into_iter()
                .filter(|one| possible & one != 0)
                .fold(0, |all, one| all | of(one))
        })
        .collect()
}

fn both(a: u8, b: u8, join: fn(u8, u8) -> u8) -> u8 {
    let answers = [TRUE, FALSE, NEITHER];
    let mut possible = 0;
    for one in answers.into_iter().filter(|one| a & one != 0) {
        for other in answers.into_iter().filter(|other| b & other != 0) {
            possible |= join(one, other);
        }
    }
    possible
}

fn not_a_number(bound: &ArrayRef, part: usize) -> bool {
    bound
        .as_primitive_opt::<arrow_array::types::Float64Type>()
        .is_none_or(|bound| part >= bound.len() || bound.value(part).is_nan())
}

/// What each wanted row has.
pub(super) fn points(node: &Node) -> Vec<Points> {
    match node {
        Node::And(parts) => parts.iter().flat_map(points).collect(),
        Node::Is { of, truth: Some(true) } => points(of),
        other => point(other).into_iter().collect(),
    }
}

fn point(node: &Node) -> Option<Points> {
    match node {
        Node::Compare { comparison: Comparison::Equal, value: Value::Column(path), to } => {
            Some(Points { column: only(path)?, values: to.clone() })
        }
        Node::CompareFloat { comparison: Comparison::Equal, value: Value::Column(path), to } => {
            // Zero has two representations, of which a bloom filter knows one.
            let values = Arc::new(Float64Array::from(vec![*to]));
            (*to != 0.0).then_some(Points { column: only(path)?, values })
        }
        Node::In { value: Value::Column(path), set } => {
            Some(Points { column: only(path)?, values: set.clone() })
        }
        Node::Or(parts) => {
            let mut column = None;
            let mut values = Vec::new();
            for part in parts {
                // What is never true adds no rows.
                if matches!(part, Node::Constant(None | Some(false)) | Node::Known(_, false)) {
                    continue;
                }
                let one = point(part)?;
                if *column.get_or_insert_with(|| one.column.clone()) != one.column {
                    return None;
                }
                values.push(one.values);
            }
            let arrays: Vec<&dyn Array> = values.iter().map(|array| &**array as _).collect();
            Some(Points { column: column?, values: concat(&arrays).ok()? })
        }
        _ => None,
    }
}

fn only(path: &[String]) -> Option<String> {
    match path {
        [name] => Some(name.clone()),
        _ => None,
    }
}
