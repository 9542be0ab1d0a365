//! A condition and the types of columns: what is computed for each batch.

use std::sync::Arc;

use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal256Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, PrimitiveArray, StringArray,
};
use arrow_buffer::i256;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use arrow_select::concat::concat;
use dipper_core::Error;

use super::evaluate::sorted;
use super::number::{Number, Unit, divided, moment, time_of_day};
use super::syntax::{Comparison, Expr, Literal, Operator, Place, refused};

/// Fewer values of an `IN` are compared one by one.
const FEW: usize = 4;

/// What is computed for each row: true, false or neither.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Option<bool>),
    Truth(Value),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Null(Value),
    Is {
        of: Box<Node>,
        truth: Option<bool>,
    },
    /// The answer is the same for every value that there is.
    Known(Value, bool),
    /// With a value of the same type.
    Compare {
        comparison: Comparison,
        value: Value,
        to: ArrayRef,
    },
    CompareFloat {
        comparison: Comparison,
        value: Value,
        to: f64,
    },
    /// Two values of one type, `float` for doubles.
    Compare2 {
        comparison: Comparison,
        left: Value,
        right: Value,
        float: bool,
    },
    /// Whether it is among sorted values of its type.
    In {
        value: Value,
        set: ArrayRef,
    },
    /// Whether it is among sorted doubles.
    InFloat {
        value: Value,
        set: Vec<f64>,
    },
    Like {
        value: Value,
        pattern: String,
        any_case: bool,
    },
}

/// A value of each row.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Column(Vec<String>),
    /// The same for each row.
    Fixed(ArrayRef),
    Cast(Box<Value>, DataType),
    Arithmetic {
        operator: Operator,
        left: Box<Value>,
        right: Box<Value>,
    },
    Truth(Arc<Node>),
}

/// A value and its type, without dictionary or runs.
struct Typed {
    value: Value,
    kind: DataType,
    place: Place,
    shown: String,
}

enum Operand {
    Literal(Literal, Place),
    Value(Typed),
}

/// Binds a condition.
pub(super) fn bind(expr: &Expr, schema: &Schema) -> Result<Node, Error> {
    Binder { schema }.node(expr)
}

/// The type of the values, where they are kept as a dictionary or as runs.
pub(super) fn plain(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        other => other,
    }
}

struct Binder<'a> {
    schema: &'a Schema,
}

impl Binder<'_> {
    fn node(&self, expr: &Expr) -> Result<Node, Error> {
        Ok(match expr {
            Expr::And(parts) => Node::And(self.nodes(parts)?),
            Expr::Or(parts) => Node::Or(self.nodes(parts)?),
            Expr::Not(of) => Node::Not(Box::new(self.node(of)?)),
            Expr::Is { of, truth, negated } => {
                let is = Node::Is { of: Box::new(self.node(of)?), truth: *truth };
                unless(*negated, is)
            }
            Expr::IsNull { of, negated } => {
                let is = match self.operand(of)? {
                    Operand::Literal(Literal::Null, _) => Node::Constant(Some(true)),
                    Operand::Literal(..) => Node::Constant(Some(false)),
                    Operand::Value(typed) => Node::Null(typed.value),
                };
                unless(*negated, is)
            }
            Expr::Compare { comparison, left, right } => {
                compared(*comparison, self.operand(left)?, self.operand(right)?)?
            }
            Expr::Between { of, low, high, negated } => {
                let (least, most) = (Comparison::GreaterOrEqual, Comparison::LessOrEqual);
                let low = compared(least, self.operand(of)?, self.operand(low)?)?;
                let high = compared(most, self.operand(of)?, self.operand(high)?)?;
                unless(*negated, Node::And(vec![low, high]))
            }
            Expr::In { of, list, negated } => unless(*negated, self.among(of, list)?),
            Expr::Like { of, pattern, any_case, negated } => {
                let Operand::Value(typed) = self.operand(of)? else {
                    return Err(refused(of.place(), "LIKE takes a column of text"));
                };
                if !text(&typed.kind) {
                    let what = format!("LIKE takes text, and {} is {}", typed.shown, typed.kind);
                    return Err(refused(typed.place, what));
                }
                let like = match pattern {
                    None => Node::Constant(None),
                    Some(pattern) => Node::Like {
                        value: typed.value,
                        pattern: pattern.clone(),
                        any_case: *any_case,
                    },
                };
                unless(*negated, like)
            }
            Expr::Column { .. } | Expr::Literal { .. } => match self.operand(expr)? {
                Operand::Literal(Literal::Null, _) => Node::Constant(None),
                Operand::Literal(Literal::Truth(truth), _) => Node::Constant(Some(truth)),
                Operand::Value(Typed { kind: DataType::Null, .. }) => Node::Constant(None),
                Operand::Value(Typed { value, kind: DataType::Boolean, .. }) => Node::Truth(value),
                Operand::Value(Typed { kind, place, shown, .. }) => {
                    let what =
                        format!("{shown} is {kind}, and no condition; compare it with a value");
                    return Err(refused(place, what));
                }
                Operand::Literal(_, place) => {
                    let what = "a value is no condition; a column's name stands in \"double\" quotes, \
                                a text in 'single' ones";
                    return Err(refused(place, what));
                }
            },
            Expr::Arithmetic { .. } | Expr::Minus(_) => {
                return Err(refused(
                    expr.place(),
                    "a number is no condition; compare it with a value",
                ));
            }
        })
    }

    fn nodes(&self, parts: &[Expr]) -> Result<Vec<Node>, Error> {
        parts.iter().map(|part| self.node(part)).collect()
    }

    fn operand(&self, expr: &Expr) -> Result<Operand, Error> {
        Ok(match expr {
            Expr::Column { path, at } => Operand::Value(self.column(path, *at)?),
            Expr::Literal { value, at } => Operand::Literal(value.clone(), *at),
            Expr::Arithmetic { operator, left, right } => {
                computed(*operator, self.operand(left)?, self.operand(right)?)?
            }
            Expr::Minus(of) => {
                let zero = Operand::Literal(Literal::Number(Number::whole(0)), of.place());
                computed(Operator::Subtract, zero, self.operand(of)?)?
            }
            _ => Operand::Value(Typed {
                value: Value::Truth(Arc::new(self.node(expr)?)),
                kind: DataType::Boolean,
                place: expr.place(),
                shown: "a condition".to_owned(),
            }),
        })
    }

    /// A column, or a member of one.
    fn column(&self, path: &[String], at: Place) -> Result<Typed, Error> {
        let mut fields: &Fields = self.schema.fields();
        let mut found: Option<&Field> = None;
        for (depth, name) in path.iter().enumerate() {
            let mut matching = fields.iter().filter(|field| field.name() == name);
            let Some(field) = matching.next() else {
                return Err(absent(name, fields, path.get(..depth).unwrap_or_default(), at));
            };
            if matching.next().is_some() {
                return Err(refused(at, format!("there are several columns {name:?}")));
            }
            found = Some(field);
            match plain(field.data_type()) {
                DataType::Struct(members) => fields = members,
                kind if depth + 1 < path.len() => {
                    let what = format!(
                        "{name:?} is {kind}, and has no members; a name with a point in it stands \
                         in double quotes"
                    );
                    return Err(refused(at, what));
                }
                _ => {}
            }
        }
        let kind = found.map_or(DataType::Null, |field| plain(field.data_type()).clone());
        let shown = format!("{:?}", path.join("."));
        Ok(Typed { value: Value::Column(path.to_vec()), kind, place: at, shown })
    }

    /// `IN`.
    fn among(&self, of: &Expr, list: &[Expr]) -> Result<Node, Error> {
        let mut parts = Vec::new();
        let mut sets: Vec<ArrayRef> = Vec::new();
        let mut floats: Vec<f64> = Vec::new();
        let mut kept: Option<Value> = None;
        for value in list {
            match compared(Comparison::Equal, self.operand(of)?, self.operand(value)?)? {
                Node::Compare { value, to, .. } if list.len() > FEW => {
                    kept = Some(value);
                    sets.push(to);
                }
                Node::CompareFloat { value, to, .. } if list.len() > FEW => {
                    kept = Some(value);
                    // Negative zero is zero.
                    floats.push(to + 0.0);
                }
                part => parts.push(part),
            }
        }
        // Once is enough of what is the same for every value.
        let mut known = false;
        parts.retain(|part| match part {
            Node::Known(_, false) => !std::mem::replace(&mut known, true),
            _ => true,
        });
        if let Some(value) = kept {
            if !sets.is_empty() {
                let arrays: Vec<&dyn arrow_array::Array> =
                    sets.iter().map(|array| &**array as _).collect();
                let set = concat(&arrays).and_then(|set| sorted(&set)).map_err(|error| {
                    Error::internal(format!("values of `IN` cannot be sorted: {error}"))
                })?;
                parts.push(Node::In { value: value.clone(), set });
            }
            if !floats.is_empty() {
                floats.sort_by(f64::total_cmp);
                parts.push(Node::InFloat { value, set: floats });
            }
        }
        Ok(Node::Or(parts))
    }
}

fn unless(negated: bool, node: Node) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

fn absent(name: &str, fields: &Fields, within: &[String], at: Place) -> Error {
    const SHOWN: usize = 20;
    let of = if within.is_empty() { String::new() } else { format!(" in {:?}", within.join(".")) };
    let same = fields.iter().find(|field| field.name().eq_ignore_ascii_case(name));
    let hint = match same {
        Some(field) => format!("there is {:?}: names are told apart by case", field.name()),
        None => {
            let names: Vec<String> =
                fields.iter().take(SHOWN).map(|field| format!("{:?}", field.name())).collect();
            let more = if fields.len() > SHOWN { ", …" } else { "" };
            format!(
                "the columns are {}{more}; a text stands in single quotes",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            )
        }
    };
    refused(at, format!("there is no column {name:?}{of}")).hint(hint)
}

pub(super) fn text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn decimal(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

fn temporal(kind: &DataType) -> bool {
    matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn number(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_floating() || decimal(kind)
}

fn compared(comparison: Comparison, left: Operand, right: Operand) -> Result<Node, Error> {
    match (left, right) {
        (Operand::Literal(left, place), Operand::Literal(right, _)) => {
            literals(comparison, &left, &right, place)
        }
        (Operand::Literal(left, place), Operand::Value(right)) => {
            against(comparison.turned(), right, &left, place)
        }
        (Operand::Value(left), Operand::Literal(right, place)) => {
            against(comparison, left, &right, place)
        }
        (Operand::Value(left), Operand::Value(right)) => values(comparison, left, right),
    }
}

/// Two values of the text.
fn literals(
    comparison: Comparison,
    left: &Literal,
    right: &Literal,
    place: Place,
) -> Result<Node, Error> {
    use std::cmp::Ordering;
    let ordering = match (left, right) {
        (Literal::Null, Literal::Null) => {
            return Ok(Node::Constant(match comparison {
                Comparison::Same => Some(true),
                Comparison::Distinct => Some(false),
                _ => None,
            }));
        }
        (Literal::Null, _) | (_, Literal::Null) => {
            return Ok(Node::Constant(match comparison {
                Comparison::Same => Some(false),
                Comparison::Distinct => Some(true),
                _ => None,
            }));
        }
        (Literal::Number(left), Literal::Number(right)) => {
            match (left.as_whole(), right.as_whole()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => left.as_f64().partial_cmp(&right.as_f64()),
            }
        }
        (Literal::Text(left), Literal::Text(right)) => Some(left.cmp(right)),
        (Literal::Truth(left), Literal::Truth(right)) => Some(left.cmp(right)),
        (Literal::Bytes(left), Literal::Bytes(right)) => Some(left.cmp(right)),
        (Literal::Moment(left), Literal::Moment(right))
        | (Literal::TimeOfDay(left), Literal::TimeOfDay(right)) => Some(left.cmp(right)),
        _ => return Err(refused(place, "these two values do not compare")),
    };
    Ok(Node::Constant(Some(match comparison {
        Comparison::Equal | Comparison::Same => ordering == Some(Ordering::Equal),
        Comparison::Unequal | Comparison::Distinct => ordering != Some(Ordering::Equal),
        Comparison::Less => ordering.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        Comparison::Greater => ordering.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
    })))
}

/// A column's value and one of the text, which becomes one of the column's type.
fn against(
    comparison: Comparison,
    typed: Typed,
    literal: &Literal,
    place: Place,
) -> Result<Node, Error> {
    match (comparison, literal) {
        (Comparison::Same, Literal::Null) => return Ok(Node::Null(typed.value)),
        (Comparison::Distinct, Literal::Null) => {
            return Ok(Node::Not(Box::new(Node::Null(typed.value))));
        }
        (_, Literal::Null) => return Ok(Node::Constant(None)),
        (Comparison::Same | Comparison::Distinct, _) => {
            let equal = against(Comparison::Equal, typed, literal, place)?;
            let same = Node::Is { of: Box::new(equal), truth: Some(true) };
            return Ok(unless(comparison == Comparison::Distinct, same));
        }
        _ => {}
    }
    let Typed { value, kind, shown, .. } = typed;
    let compare = |value, to| Ok(Node::Compare { comparison, value, to });
    match (&kind, literal) {
        (DataType::Null, _) => Ok(Node::Constant(None)),
        (DataType::Boolean, Literal::Truth(truth)) => {
            compare(value, Arc::new(BooleanArray::from(vec![*truth])))
        }
        (kind, Literal::Text(text)) if self::text(kind) => {
            compare(value, cast_to(Arc::new(StringArray::from(vec![text.as_str()])), kind)?)
        }
        (kind, Literal::Bytes(given)) if bytes(kind) => {
            compare(value, cast_to(Arc::new(BinaryArray::from(vec![given.as_slice()])), kind)?)
        }
        (kind, Literal::Text(text)) if bytes(kind) => {
            compare(value, cast_to(Arc::new(BinaryArray::from(vec![text.as_bytes()])), kind)?)
        }
        (DataType::FixedSizeBinary(size), Literal::Bytes(given)) => {
            if i32::try_from(given.len()) != Ok(*size) {
                let what =
                    format!("{shown} has values of {size} bytes, and this has {}", given.len());
                return Err(refused(place, what));
            }
            let array = FixedSizeBinaryArray::try_from_iter(std::iter::once(given.as_slice()))
                .map_err(|error| refused(place, error))?;
            compare(value, Arc::new(array))
        }
        (DataType::Float16, Literal::Number(number)) => {
            let to = half::f16::from_f64(number.as_f64()).to_f64();
            Ok(Node::CompareFloat { comparison, value, to })
        }
        (DataType::Float32, Literal::Number(number)) => {
            let to = f64::from(number.as_f64() as f32);
            Ok(Node::CompareFloat { comparison, value, to })
        }
        (DataType::Float64, Literal::Number(number)) => {
            Ok(Node::CompareFloat { comparison, value, to: number.as_f64() })
        }
        (kind, Literal::Number(number)) if kind.is_integer() => {
            unit(comparison, value, kind, number.unit(0))
        }
        (
            kind @ (DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale)),
            Literal::Number(number),
        ) => unit(comparison, value, kind, number.unit(i64::from(*scale))),
        (kind, Literal::Moment(_) | Literal::Text(_)) if temporal(kind) => {
            let at = match literal {
                Literal::Moment(moment) => *moment,
                Literal::Text(text) => moment(text).map_err(|why| refused(place, why))?,
                _ => return Err(mismatch(place, &shown, kind)),
            };
            let size = match kind {
                DataType::Date32 => 86_400_000_000_000,
                DataType::Date64 => 1_000_000,
                DataType::Timestamp(unit, _) => nanoseconds(*unit),
                _ => return Err(mismatch(place, &shown, kind)),
            };
            unit(comparison, value, kind, divided(at, size))
        }
        (
            kind @ (DataType::Time32(size) | DataType::Time64(size)),
            Literal::TimeOfDay(_) | Literal::Text(_),
        ) => {
            let at = match literal {
                Literal::TimeOfDay(time) => *time,
                Literal::Text(text) => time_of_day(text).map_err(|why| refused(place, why))?,
                _ => return Err(mismatch(place, &shown, kind)),
            };
            unit(comparison, value, kind, divided(at, nanoseconds(*size)))
        }
        _ => Err(mismatch(place, &shown, &kind)),
    }
}

fn mismatch(place: Place, shown: &str, kind: &DataType) -> Error {
    let takes = match kind {
        DataType::Boolean => "TRUE or FALSE",
        kind if number(kind) => "a number",
        kind if text(kind) => "a text in single quotes",
        kind if bytes(kind) => "bytes, such as X'00FF'",
        kind if temporal(kind) => "a date in single quotes, such as '2024-12-31'",
        DataType::FixedSizeBinary(_) => "bytes, such as X'00FF'",
        DataType::Time32(_) | DataType::Time64(_) => "a time in single quotes, such as '23:59'",
        _ => "nothing but IS NULL and IS NOT NULL",
    };
    refused(place, format!("{shown} is {kind}, and compares with {takes}"))
}

fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Compares a column of whole units with a value that lies on one or between two.
fn unit(comparison: Comparison, value: Value, kind: &DataType, unit: Unit) -> Result<Node, Error> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
    let below = matches!(comparison, Unequal | Greater | GreaterOrEqual);
    let above = matches!(comparison, Unequal | Less | LessOrEqual);
    let (comparison, at) = match (unit, comparison) {
        (Unit::Below, _) => return Ok(Node::Known(value, below)),
        (Unit::Above, _) => return Ok(Node::Known(value, above)),
        (Unit::On(at), comparison) => (comparison, at),
        (Unit::After(_), Equal) => return Ok(Node::Known(value, false)),
        (Unit::After(_), Unequal) => return Ok(Node::Known(value, true)),
        (Unit::After(at), Less | LessOrEqual) => (LessOrEqual, at),
        (Unit::After(at), _) => (Greater, at),
    };
    match units(kind, at)? {
        Some(to) => Ok(Node::Compare { comparison, value, to }),
        None => Ok(Node::Known(value, if at < 0 { below } else { above })),
    }
}

/// One value of a type of whole units; `None` if it has no such value.
fn units(kind: &DataType, at: i128) -> Result<Option<ArrayRef>, Error> {
    fn one<T: ArrowPrimitiveType>(at: i128, kind: &DataType) -> Option<ArrayRef>
    where
        T::Native: TryFrom<i128>,
    {
        let at = T::Native::try_from(at).ok()?;
        Some(Arc::new(PrimitiveArray::<T>::from_value(at, 1).with_data_type(kind.clone())))
    }
    Ok(match kind {
        DataType::Int8 => one::<Int8Type>(at, kind),
        DataType::Int16 => one::<Int16Type>(at, kind),
        DataType::Int32 => one::<Int32Type>(at, kind),
        DataType::Int64 => one::<Int64Type>(at, kind),
        DataType::UInt8 => one::<UInt8Type>(at, kind),
        DataType::UInt16 => one::<UInt16Type>(at, kind),
        DataType::UInt32 => one::<UInt32Type>(at, kind),
        DataType::UInt64 => one::<UInt64Type>(at, kind),
        DataType::Decimal32(..) => one::<Decimal32Type>(at, kind),
        DataType::Decimal64(..) => one::<Decimal64Type>(at, kind),
        DataType::Decimal128(..) => one::<Decimal128Type>(at, kind),
        DataType::Decimal256(..) => Some(Arc::new(
            Decimal256Array::from_value(i256::from_i128(at), 1).with_data_type(kind.clone()),
        ) as ArrayRef),
        DataType::Date32 => one::<Date32Type>(at, kind),
        DataType::Date64 => one::<Date64Type>(at, kind),
        DataType::Time32(TimeUnit::Second) => one::<Time32SecondType>(at, kind),
        DataType::Time32(TimeUnit::Millisecond) => one::<Time32MillisecondType>(at, kind),
        DataType::Time64(TimeUnit::Microsecond) => one::<Time64MicrosecondType>(at, kind),
        DataType::Time64(TimeUnit::Nanosecond) => one::<Time64NanosecondType>(at, kind),
        DataType::Timestamp(TimeUnit::Second, _) => one::<TimestampSecondType>(at, kind),
        DataType::Timestamp(TimeUnit::Millisecond, _) => one::<TimestampMillisecondType>(at, kind),
        DataType::Timestamp(TimeUnit::Microsecond, _) => one::<TimestampMicrosecondType>(at, kind),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => one::<TimestampNanosecondType>(at, kind),
        other => return Err(Error::internal(format!("{other} does not count in units"))),
    })
}

fn cast_to(array: ArrayRef, kind: &DataType) -> Result<ArrayRef, Error> {
    cast(&array, kind)
        .map_err(|error| Error::internal(format!("a value does not become {kind}: {error}")))
}

/// Two values of each row, as one type.
fn values(comparison: Comparison, left: Typed, right: Typed) -> Result<Node, Error> {
    if left.kind == DataType::Null || right.kind == DataType::Null {
        let (null, other) = if left.kind == DataType::Null { (left, right) } else { (right, left) };
        return match comparison {
            Comparison::Same | Comparison::Distinct if null.kind == other.kind => {
                Ok(Node::Constant(Some(comparison == Comparison::Same)))
            }
            Comparison::Same | Comparison::Distinct => {
                Ok(unless(comparison == Comparison::Distinct, Node::Null(other.value)))
            }
            _ => Ok(Node::Constant(None)),
        };
    }
    let Some(common) = common(&left.kind, &right.kind) else {
        let what = format!(
            "{} is {}, and does not compare with {}, which is {}",
            left.shown, left.kind, right.shown, right.kind
        );
        return Err(refused(left.place, what));
    };
    let float = common == DataType::Float64;
    let (left, right) = (as_type(left, &common), as_type(right, &common));
    Ok(Node::Compare2 { comparison, left, right, float })
}

/// The type that holds what both hold.
fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    if left.is_floating() && number(right) || right.is_floating() && number(left) {
        return Some(DataType::Float64);
    }
    if left == right {
        let comparable = number(left)
            || text(left)
            || bytes(left)
            || temporal(left)
            || matches!(
                left,
                DataType::Boolean
                    | DataType::Time32(_)
                    | DataType::Time64(_)
                    | DataType::FixedSizeBinary(_)
            );
        return comparable.then(|| left.clone());
    }
    if left.is_integer() && right.is_integer() {
        let wide = left == &DataType::UInt64 || right == &DataType::UInt64;
        let signed = left.is_signed_integer() || right.is_signed_integer();
        return Some(match (wide, signed) {
            (true, true) => DataType::Decimal128(20, 0),
            (true, false) => DataType::UInt64,
            (false, _) => DataType::Int64,
        });
    }
    if number(left) && number(right) {
        let scale = |kind: &DataType| match kind {
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        return Some(DataType::Decimal256(76, scale(left).max(scale(right)).max(0)));
    }
    if text(left) && text(right) {
        return Some(DataType::LargeUtf8);
    }
    if bytes(left) && bytes(right) {
        return Some(DataType::LargeBinary);
    }
    if temporal(left) && temporal(right) {
        let finest = |kind: &DataType| match kind {
            DataType::Timestamp(unit, _) => nanoseconds(*unit),
            _ => nanoseconds(TimeUnit::Millisecond),
        };
        let unit = match finest(left).min(finest(right)) {
            1 => TimeUnit::Nanosecond,
            1000 => TimeUnit::Microsecond,
            1_000_000 => TimeUnit::Millisecond,
            _ => TimeUnit::Second,
        };
        let zone = [left, right].iter().any(|kind| matches!(kind, DataType::Timestamp(_, Some(_))));
        return Some(DataType::Timestamp(unit, zone.then(|| "+00:00".into())));
    }
    None
}

fn as_type(typed: Typed, kind: &DataType) -> Value {
    if typed.kind == *kind { typed.value } else { Value::Cast(Box::new(typed.value), kind.clone()) }
}

/// A computation. Integers stay integers but for a division; all else are doubles.
fn computed(operator: Operator, left: Operand, right: Operand) -> Result<Operand, Error> {
    let place = match &left {
        Operand::Literal(_, place) => *place,
        Operand::Value(typed) => typed.place,
    };
    let null = |operand: &Operand| {
        matches!(
            operand,
            Operand::Literal(Literal::Null, _) | Operand::Value(Typed { kind: DataType::Null, .. })
        )
    };
    if null(&left) || null(&right) {
        return Ok(Operand::Literal(Literal::Null, place));
    }
    if let (
        Operand::Literal(Literal::Number(left), _),
        Operand::Literal(Literal::Number(right), _),
    ) = (&left, &right)
    {
        return Ok(Operand::Literal(folded(operator, *left, *right), place));
    }
    let whole = |operand: &Operand| match operand {
        Operand::Literal(Literal::Number(number), _) => {
            number.as_whole().and_then(|whole| i64::try_from(whole).ok()).is_some()
        }
        Operand::Value(typed) => typed.kind.is_integer(),
        Operand::Literal(..) => false,
    };
    let whole = operator != Operator::Divide && whole(&left) && whole(&right);
    let kind = if whole { DataType::Int64 } else { DataType::Float64 };
    let side = |operand: Operand| match operand {
        Operand::Literal(Literal::Number(number), _) => {
            let fixed: ArrayRef = if whole {
                let number = number
                    .as_whole()
                    .and_then(|whole| i64::try_from(whole).ok())
                    .unwrap_or_default();
                Arc::new(Int64Array::from(vec![number]))
            } else {
                Arc::new(Float64Array::from(vec![number.as_f64()]))
            };
            Ok(Value::Fixed(fixed))
        }
        Operand::Value(typed) if number(&typed.kind) => Ok(as_type(typed, &kind)),
        Operand::Value(typed) => {
            let what = format!("{} is {}, and is not computed with", typed.shown, typed.kind);
            Err(refused(typed.place, what))
        }
        Operand::Literal(_, place) => Err(refused(place, "only numbers are computed with")),
    };
    let (left, right) = (Box::new(side(left)?), Box::new(side(right)?));
    let value = Value::Arithmetic { operator, left, right };
    Ok(Operand::Value(Typed { value, kind, place, shown: "a number".to_owned() }))
}

/// A computation of numbers that stand in the text.
fn folded(operator: Operator, left: Number, right: Number) -> Literal {
    if operator != Operator::Divide
        && let (Some(left), Some(right)) = (left.as_whole(), right.as_whole())
    {
        let whole = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            // A remainder of nothing is nothing.
            _ if right == 0 => return Literal::Null,
            _ => left.checked_rem(right),
        };
        if let Some(whole) = whole {
            return Literal::Number(Number::whole(whole));
        }
    }
    let (left, right) = (left.as_f64(), right.as_f64());
    Literal::Number(Number::float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
    }))
}
