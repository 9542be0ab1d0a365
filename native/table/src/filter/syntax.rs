//! The text of a condition, read by `sqlparser` and brought down to the part of SQL that `where`
//! has.
//!
//! What may stand in the text is checked token by token before it is parsed: the parser knows all
//! of SQL, and a condition none of its queries, functions and types. What it nests is bounded,
//! here and there, so that no text exhausts the stack.

use std::str::FromStr;

use dipper_core::Error;
use sqlparser::ast::{BinaryOperator, DataType, Expr as Parsed, UnaryOperator, Value};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::number::{Number, moment, time_of_day};

/// A longer text is refused.
const MOST_BYTES: usize = 256 << 10;
/// More operators are refused: a chain of them is a tree as deep as it is long.
const MOST_OPERATORS: usize = 2000;
/// How deep parentheses and `NOT` may nest.
const DEEPEST: usize = 48;
/// How long a chain of arithmetic may be.
const LONGEST_CHAIN: usize = 200;

/// A condition, or a part of one.
#[derive(Debug)]
pub(super) enum Expr {
    /// A column, or a member of a column that is a struct.
    Column {
        path: Vec<String>,
        at: Place,
    },
    Literal {
        value: Literal,
        at: Place,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare {
        comparison: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    IsNull {
        of: Box<Expr>,
        negated: bool,
    },
    /// `IS TRUE`, `IS FALSE`; `IS UNKNOWN` for no value.
    Is {
        of: Box<Expr>,
        truth: Option<bool>,
        negated: bool,
    },
    In {
        of: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Between {
        of: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    Like {
        of: Box<Expr>,
        pattern: Option<String>,
        any_case: bool,
        negated: bool,
    },
    Arithmetic {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Minus(Box<Expr>),
}

/// A value that stands in the text.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Null,
    Truth(bool),
    Number(Number),
    Text(String),
    /// Nanoseconds since 1970, UTC.
    Moment(i128),
    /// Nanoseconds since midnight.
    TimeOfDay(i128),
    Bytes(Vec<u8>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `IS DISTINCT FROM`: as unequal, where NULL is a value.
    Distinct,
    /// Its opposite.
    Same,
}

impl Comparison {
    /// The same, with the sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }
}

/// How two numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Where something stands in the text: line and column, from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        Self { line: at.line, column: at.column }
    }
}

impl Expr {
    /// Where it begins.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Column { at, .. } | Self::Literal { at, .. } => *at,
            Self::And(parts) | Self::Or(parts) => {
                parts.first().map(Self::place).unwrap_or_default()
            }
            Self::Compare { left: of, .. } | Self::Arithmetic { left: of, .. } => of.place(),
            Self::Not(of)
            | Self::Minus(of)
            | Self::IsNull { of, .. }
            | Self::Is { of, .. }
            | Self::In { of, .. }
            | Self::Between { of, .. }
            | Self::Like { of, .. } => of.place(),
        }
    }

    /// Calls `found` with the path of each column.
    pub(super) fn columns<'a>(&'a self, found: &mut dyn FnMut(&'a [String])) {
        match self {
            Self::Column { path, .. } => found(path),
            Self::Literal { .. } => {}
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.columns(found));
            }
            Self::Not(of)
            | Self::Minus(of)
            | Self::IsNull { of, .. }
            | Self::Is { of, .. }
            | Self::Like { of, .. } => of.columns(found),
            Self::Compare { left, right, .. } | Self::Arithmetic { left, right, .. } => {
                left.columns(found);
                right.columns(found);
            }
            Self::In { of, list, .. } => {
                of.columns(found);
                list.iter().for_each(|value| value.columns(found));
            }
            Self::Between { of, low, high, .. } => {
                of.columns(found);
                low.columns(found);
                high.columns(found);
            }
        }
    }
}

/// The error about a place of a condition.
pub(super) fn refused(at: Place, what: impl std::fmt::Display) -> Error {
    let place = match at {
        Place { line: 0, .. } => String::new(),
        Place { line: 1, column } => format!(" at character {column}"),
        Place { line, column } => format!(" at line {line}, character {column}"),
    };
    Error::invalid(format!("`where` is refused{place}: {what}"))
}

/// How tokens are told apart: as in standard SQL, with letters of all alphabets.
#[derive(Debug)]
struct Condition;

impl Dialect for Condition {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }
}

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > MOST_BYTES {
        let what = format!("it has {} bytes, and may have {MOST_BYTES}", text.len());
        return Err(refused(Place::default(), what));
    }
    let tokens = Tokenizer::new(&Condition, text)
        .tokenize_with_location()
        .map_err(|error| refused(error.location.into(), shortened(&error.message)))?;
    let tokens = admitted(tokens)?;
    let begun = tokens.first().and_then(|first| match &first.token {
        Token::Word(word) => Some((first.span.start.into(), clause(&word.value)?)),
        _ => None,
    });
    let mut parser =
        Parser::new(&Condition).with_recursion_limit(DEEPEST).with_tokens_with_locations(tokens);
    let parsed = parser.parse_expr().map_err(refusal)?;
    let after = parser.peek_token();
    if after.token != Token::EOF {
        if let Some((at, what)) = begun {
            return Err(refused(at, what));
        }
        let what = shortened(&after.token.to_string());
        let what = clause(what.trim_matches('"'))
            .map_or_else(|| format!("{what} is not expected here"), str::to_owned);
        return Err(refused(after.span.start.into(), what));
    }
    converted(parsed, 0)
}

/// What to do about a word of SQL that begins another part of a query.
fn clause(word: &str) -> Option<&'static str> {
    const CLAUSES: [(&str, &str); 5] = [
        ("where", "leave WHERE out: a condition is what stands behind it"),
        ("select", "it is a condition and no query: name columns with { columns }"),
        ("order", "there is no ORDER BY: rows come in the order of the file"),
        ("limit", "leave LIMIT out: { limit } says how many rows are wanted"),
        ("contains", "there is no CONTAINS: write LIKE '%text%'"),
    ];
    let found = CLAUSES.iter().find(|(clause, _)| word.eq_ignore_ascii_case(clause));
    found.map(|(_, what)| *what)
}

/// What two operators without a space between them are meant as.
fn spelling(last: Option<&Token>, token: &Token) -> Option<&'static str> {
    match (last?, token) {
        (Token::DoubleEq, Token::Eq) => Some("=== is written ="),
        (Token::Neq, Token::Eq) => Some("!== is written <>"),
        (Token::Eq, Token::Lt) => Some("=< is written <="),
        _ => None,
    }
}

/// What stands in a condition in place of this.
fn instead(token: &Token) -> &'static str {
    match token {
        Token::Overlap => "; it is written AND",
        Token::StringConcat => "; it is written OR",
        Token::ExclamationMark => "; it is written NOT",
        Token::RArrow => "; greater or equal is written >=",
        Token::SemiColon => "; leave it out",
        Token::Tilde => "; a pattern of text is written LIKE",
        Token::LBracket => "; a list stands in parentheses, a name in double quotes",
        Token::Placeholder(_) | Token::AtSign | Token::Colon => "; write the value itself",
        _ => "",
    }
}

/// The parser's error, which ends with the place.
fn refusal(error: ParserError) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => refused(Place::default(), "it nests too deeply"),
        ParserError::TokenizerError(what) | ParserError::ParserError(what) => {
            let (what, at) = placed(&what).unwrap_or((&what, Place::default()));
            let what = what.strip_prefix("Expected: ").map_or_else(
                || shortened(what),
                |what| shortened(&format!("expected {what}").replace(", found: ", ", found ")),
            );
            refused(at, what.replace("found EOF", "found its end"))
        }
    }
}

/// Splits `… at Line: 1, Column: 9`.
fn placed(what: &str) -> Option<(&str, Place)> {
    let (what, place) = what.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((what, Place { line: line.parse().ok()?, column: column.parse().ok()? }))
}

/// A text may be long; what is said about it is not.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

/// The words that have a meaning. All others are names of columns.
const WORDS: [&str; 15] = [
    "and", "between", "distinct", "escape", "false", "from", "ilike", "in", "is", "like", "not",
    "null", "or", "true", "unknown",
];
/// The words that say what the text behind them is.
const TYPES: [&str; 4] = ["date", "datetime", "time", "timestamp"];

fn one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|one| word.eq_ignore_ascii_case(one))
}

/// Refuses what a condition cannot have, with its place. The words of SQL that a condition does
/// not have become names of columns.
fn admitted(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    let mut operators = 0;
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let at = Place::from(token.span.start);
        let last = kept.last().filter(|last| last.span.end == token.span.start);
        if let Some(what) = spelling(last.map(|last| &last.token), &token.token) {
            return Err(refused(at, what));
        }
        match &token.token {
            Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)
            | Token::EOF => continue,
            Token::Whitespace(_) => return Err(refused(at, "a comment cannot stand here")),
            Token::Word(word) if word.quote_style.is_none() => {
                operators += usize::from(one_of(&["and", "or", "not"], &word.value));
            }
            Token::Word(_)
            | Token::Number(_, false)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::RParen
            | Token::Period => {}
            Token::LParen => {
                if let Some(TokenWithSpan { token: Token::Word(word), span }) = kept.last()
                    && (word.quote_style.is_some() || !one_of(&WORDS, &word.value))
                {
                    let what = clause(&word.value).map_or_else(
                        || format!("there are no functions, {} is none", shortened(&word.value)),
                        str::to_owned,
                    );
                    return Err(refused(span.start.into(), what));
                }
            }
            Token::DoubleEq
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod => operators += 1,
            other => {
                let (what, instead) = (shortened(&other.to_string()), instead(other));
                return Err(refused(at, format!("{what} cannot stand here{instead}")));
            }
        }
        if operators > MOST_OPERATORS {
            let what = format!(
                "it has more than {MOST_OPERATORS} operators; `IN (…)` takes many values at once"
            );
            return Err(refused(at, what));
        }
        let text = matches!(token.token, Token::SingleQuotedString(_));
        name(kept.last_mut(), text);
        kept.push(token);
    }
    name(kept.last_mut(), false);
    if kept.is_empty() { Err(refused(Place::default(), "it is empty")) } else { Ok(kept) }
}

/// Makes a word the name of a column, unless it means something before what follows.
fn name(token: Option<&mut TokenWithSpan>, before_text: bool) {
    let Some(TokenWithSpan { token: Token::Word(word), .. }) = token else { return };
    let means = one_of(&WORDS, &word.value) || before_text && one_of(&TYPES, &word.value);
    if word.quote_style.is_none() && !means {
        *word = Word {
            value: std::mem::take(&mut word.value),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        };
    }
}

/// What the parser brought, as a condition. `depth` counts what nests beside parentheses.
fn converted(parsed: Parsed, depth: usize) -> Result<Expr, Error> {
    if depth > LONGEST_CHAIN {
        return Err(refused(Place::default(), "it nests too deeply"));
    }
    let boxed = |parsed: Box<Parsed>| converted(*parsed, depth + 1).map(Box::new);
    Ok(match parsed {
        Parsed::Nested(inner) => converted(*inner, depth + 1)?,
        Parsed::Identifier(name) => {
            Expr::Column { at: name.span.start.into(), path: vec![name.value] }
        }
        Parsed::CompoundIdentifier(names) => Expr::Column {
            at: names.first().map(|name| name.span.start.into()).unwrap_or_default(),
            path: names.into_iter().map(|name| name.value).collect(),
        },
        Parsed::Value(value) => {
            let at = value.span.start.into();
            Expr::Literal { value: literal(value.value, at)?, at }
        }
        Parsed::TypedString(typed) => {
            let at = typed.value.span.start.into();
            let Value::SingleQuotedString(text) = typed.value.value else {
                return Err(refused(at, "a date is written in single quotes"));
            };
            let value = match typed.data_type {
                DataType::Date => match moment(&text) {
                    Ok(moment) if text.len() == 10 => Literal::Moment(moment),
                    _ => return Err(refused(at, "a DATE is written as '2024-12-31'")),
                },
                DataType::Timestamp(..) | DataType::Datetime(_) => {
                    Literal::Moment(moment(&text).map_err(|why| refused(at, why))?)
                }
                DataType::Time(..) => {
                    Literal::TimeOfDay(time_of_day(&text).map_err(|why| refused(at, why))?)
                }
                _ => {
                    let what = "DATE '…', TIME '…' and TIMESTAMP '…' are known, and no other type";
                    return Err(refused(at, what));
                }
            };
            Expr::Literal { value, at }
        }
        Parsed::UnaryOp { op: UnaryOperator::Not, expr } => Expr::Not(boxed(expr)?),
        Parsed::UnaryOp { op: UnaryOperator::Plus, expr } => converted(*expr, depth + 1)?,
        Parsed::UnaryOp { op: UnaryOperator::Minus, expr } => match converted(*expr, depth + 1)? {
            Expr::Literal { value: Literal::Number(number), at } => {
                Expr::Literal { value: Literal::Number(number.negative()), at }
            }
            other => Expr::Minus(Box::new(other)),
        },
        Parsed::IsNull(of) => Expr::IsNull { of: boxed(of)?, negated: false },
        Parsed::IsNotNull(of) => Expr::IsNull { of: boxed(of)?, negated: true },
        Parsed::IsTrue(of) => Expr::Is { of: boxed(of)?, truth: Some(true), negated: false },
        Parsed::IsNotTrue(of) => Expr::Is { of: boxed(of)?, truth: Some(true), negated: true },
        Parsed::IsFalse(of) => Expr::Is { of: boxed(of)?, truth: Some(false), negated: false },
        Parsed::IsNotFalse(of) => Expr::Is { of: boxed(of)?, truth: Some(false), negated: true },
        Parsed::IsUnknown(of) => Expr::Is { of: boxed(of)?, truth: None, negated: false },
        Parsed::IsNotUnknown(of) => Expr::Is { of: boxed(of)?, truth: None, negated: true },
        Parsed::IsDistinctFrom(left, right) => Expr::Compare {
            comparison: Comparison::Distinct,
            left: boxed(left)?,
            right: boxed(right)?,
        },
        Parsed::IsNotDistinctFrom(left, right) => {
            Expr::Compare { comparison: Comparison::Same, left: boxed(left)?, right: boxed(right)? }
        }
        Parsed::InList { expr, list, negated } => Expr::In {
            of: boxed(expr)?,
            list: list
                .into_iter()
                .map(|value| converted(value, depth + 1))
                .collect::<Result<_, _>>()?,
            negated,
        },
        Parsed::Between { expr, negated, low, high } => {
            Expr::Between { of: boxed(expr)?, low: boxed(low)?, high: boxed(high)?, negated }
        }
        Parsed::Like { negated, any: false, expr, pattern, escape_char } => {
            let pattern = like_pattern(*pattern, escape_char)?;
            Expr::Like { of: boxed(expr)?, pattern, any_case: false, negated }
        }
        Parsed::ILike { negated, any: false, expr, pattern, escape_char } => {
            let pattern = like_pattern(*pattern, escape_char)?;
            Expr::Like { of: boxed(expr)?, pattern, any_case: true, negated }
        }
        Parsed::BinaryOp { left, op, right } => {
            return binary(*left, op, *right, depth);
        }
        Parsed::Tuple(_) => {
            return Err(refused(Place::default(), "a list of values stands after `IN` only"));
        }
        _ => {
            return Err(refused(
                Place::default(),
                "it has a part that conditions do not have; see docs/where.md for what there is",
            ));
        }
    })
}

fn binary(
    left: Parsed,
    operator: BinaryOperator,
    right: Parsed,
    depth: usize,
) -> Result<Expr, Error> {
    if matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
        // A chain of them is a deep tree to the left; here it is a list.
        let mut parts = vec![converted(right, depth + 1)?];
        let mut rest = left;
        loop {
            match rest {
                Parsed::BinaryOp { left, op, right } if op == operator => {
                    parts.push(converted(*right, depth + 1)?);
                    rest = *left;
                }
                first => {
                    parts.push(converted(first, depth + 1)?);
                    break;
                }
            }
        }
        parts.reverse();
        return Ok(match operator {
            BinaryOperator::And => Expr::And(parts),
            _ => Expr::Or(parts),
        });
    }
    let left = Box::new(converted(left, depth + 1)?);
    let right = Box::new(converted(right, depth + 1)?);
    let compare = |comparison, left, right| Expr::Compare { comparison, left, right };
    let arithmetic = |operator, left, right| Expr::Arithmetic { operator, left, right };
    Ok(match operator {
        BinaryOperator::Eq => compare(Comparison::Equal, left, right),
        BinaryOperator::NotEq => compare(Comparison::Unequal, left, right),
        BinaryOperator::Lt => compare(Comparison::Less, left, right),
        BinaryOperator::LtEq => compare(Comparison::LessOrEqual, left, right),
        BinaryOperator::Gt => compare(Comparison::Greater, left, right),
        BinaryOperator::GtEq => compare(Comparison::GreaterOrEqual, left, right),
        BinaryOperator::Plus => arithmetic(Operator::Add, left, right),
        BinaryOperator::Minus => arithmetic(Operator::Subtract, left, right),
        BinaryOperator::Multiply => arithmetic(Operator::Multiply, left, right),
        BinaryOperator::Divide => arithmetic(Operator::Divide, left, right),
        BinaryOperator::Modulo => arithmetic(Operator::Remainder, left, right),
        other => {
            return Err(refused(left.place(), format!("the operator {other} is not known")));
        }
    })
}

/// The pattern of a `LIKE`, where a backslash escapes; `None` for NULL.
fn like_pattern(pattern: Parsed, escape: Option<Box<Parsed>>) -> Result<Option<String>, Error> {
    let text = |parsed: Parsed, what: &str| match converted(parsed, 0)? {
        Expr::Literal { value: Literal::Text(text), .. } => Ok(Some(text)),
        Expr::Literal { value: Literal::Null, .. } => Ok(None),
        other => Err(refused(other.place(), format!("{what} is a text in single quotes"))),
    };
    let pattern = text(pattern, "a pattern")?;
    let Some(escape) = escape else { return Ok(pattern) };
    let place = Place::default();
    let escape = text(*escape, "what escapes")?.unwrap_or_default();
    let mut characters = escape.chars();
    let (Some(escape), None) = (characters.next(), characters.next()) else {
        return Err(refused(place, "what escapes is one character"));
    };
    let Some(pattern) = pattern else { return Ok(None) };
    let mut escaped = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == escape {
            let Some(literal) = characters.next() else {
                return Err(refused(place, "a pattern ends with what escapes"));
            };
            escaped.push('\\');
            escaped.push(literal);
        } else if character == '\\' {
            escaped.push_str("\\\\");
        } else {
            escaped.push(character);
        }
    }
    Ok(Some(escaped))
}

fn literal(value: Value, at: Place) -> Result<Literal, Error> {
    Ok(match value {
        Value::Null => Literal::Null,
        Value::Boolean(truth) => Literal::Truth(truth),
        Value::Number(text, _) => Literal::Number(
            Number::from_str(&text)
                .map_err(|()| refused(at, format!("{} is no number", shortened(&text))))?,
        ),
        Value::SingleQuotedString(text) => Literal::Text(text),
        Value::HexStringLiteral(text) => Literal::Bytes(
            hexadecimal(&text)
                .ok_or_else(|| refused(at, "bytes are written as pairs of 0-9, a-f"))?,
        ),
        other => {
            let what = format!("{} cannot stand here", shortened(&other.to_string()));
            return Err(refused(at, what));
        }
    })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}
