"""Random tables, and random conditions with the rows that they choose: what `where` is compared with.

    python random_conditions.py SEED COUNT PATH

writes PATH.parquet, PATH.arrow and PATH.json: pairs of a condition and the numbers of its rows. Each
condition is made beside a function that says what it means of a row, as docs/where.md has it: True,
False, or None where that is unknown.
"""

import datetime as dt
import json
import math
import random
import re
import struct
import sys
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

seed, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
chance = random.Random(seed)
ROWS = 600
UTC = dt.timezone.utc
MARCH = dt.datetime(2024, 3, 1)
WORDS = [
    "", "a", "A", "ab", "aB", "abc", "%", "_", "a%", "a_b", "\\", "é", "É", "日本", "😀", "😀a", "O'Hara",
    '"q"', "zz" * 40, "null", "NaN", "10", "9", "ÿ", "\n", "a\nb", "z",
]


# -- values ------------------------------------------------------------------------------------------


def single(number):
    """As a float of 32 bits."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def integer(least, most):
    if chance.random() < 0.15:
        return chance.choice([least, most, max(least, 0)])
    if chance.random() < 0.5:
        return chance.randint(max(least, -20), min(most, 20))
    return chance.randint(least, most)


def double(large=1e300):
    odd = [math.nan, math.inf, -math.inf, -0.0, 0.0, 0.1, large, 2.0**53, 2.0**53 + 2, -1.5]
    return chance.choice([chance.choice(odd), chance.randint(-20, 20) / 2, chance.uniform(-1e6, 1e6)])


def digits(most, places):
    return Decimal(integer(-most, most)).scaleb(-places)


def day():
    return (MARCH + dt.timedelta(chance.choice([0, 1, -1, 365, -365, chance.randint(-30000, 30000)]))).date()


def moment(fractions=(1, 999999, 500000)):
    seconds = chance.choice([0, 1, -1, 86400, 43200, chance.randint(-(10**9), 10**9), chance.randint(-(10**5), 10**5)])
    fraction = chance.choice(fractions) if chance.random() < 0.3 else 0
    return MARCH + dt.timedelta(seconds=seconds, microseconds=fraction)


def zoned():
    return moment().replace(tzinfo=UTC)


def clock():
    return dt.time(chance.randint(0, 23), chance.randint(0, 59), chance.choice([0, 30]), chance.choice([0, 500000]))


def word():
    return chance.choice(WORDS)


def raw():
    return chance.choice([b"", b"\0", b"\xff", b"ab", b"abc", bytes([chance.randint(0, 255)])])


LARGE = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
COLUMNS = {
    "i8": (pa.int8(), lambda: integer(-128, 127)),
    "i32": (pa.int32(), lambda: integer(-(2**31), 2**31 - 1)),
    "i64": (pa.int64(), lambda: chance.choice([*LARGE, integer(-(2**63), 2**63 - 1)])),
    "u8": (pa.uint8(), lambda: integer(0, 255)),
    "u64": (pa.uint64(), lambda: chance.choice([2**64 - 1, 2**63, 2**53 + 1, integer(0, 2**64 - 1)])),
    "f32": (pa.float32(), lambda: single(double(1e30))),
    "f64": (pa.float64(), double),
    "order": (pa.bool_(), lambda: chance.random() < 0.5),
    "two words": (pa.string(), word),
    "größe": (pa.large_string(), word),
    'we"ird': (pa.dictionary(pa.int16(), pa.string()), word),
    "dec": (pa.decimal128(9, 2), lambda: digits(10**9 - 1, 2)),
    "dec38": (pa.decimal128(38, 10), lambda: digits(10**20, 10)),
    "dec76": (pa.decimal256(60, 5), lambda: digits(10**20, 5)),
    "day": (pa.date32(), day),
    "tms": (pa.timestamp("ms"), lambda: moment([1000, 500000, 999000])),
    "tus": (pa.timestamp("us", "UTC"), zoned),
    "tns": (pa.timestamp("ns", "Europe/Berlin"), zoned),
    "clock": (pa.time64("us"), clock),
    "raw": (pa.binary(), raw),
}
NUMBERS = ["i8", "i32", "i64", "u8", "u64", "f32", "f64", "dec", "dec38", "dec76", "s.x"]
TEXTS = ["two words", "größe", 'we"ird', "s.a.b"]
TIMES = ["tms", "tus", "tns"]


def filled(name, make):
    """The values of a column: some are missing, and some columns are sorted."""
    share = chance.choice([0, 0.1, 0.3])
    rows = [None if chance.random() < share else make() for _ in range(ROWS)]
    if name in ("f32", "f64") or chance.random() < 0.5:
        return rows
    return sorted(row for row in rows if row is not None) + [None] * rows.count(None)


values = {name: filled(name, make) for name, (_, make) in COLUMNS.items()}
structs = [
    None if chance.random() < 0.2 else {"x": chance.choice([None, integer(-100, 100)]), "a.b": word()}
    for _ in range(ROWS)
]
values["s.x"] = [(row or {}).get("x") for row in structs]
values["s.a.b"] = [(row or {}).get("a.b") for row in structs]


# -- what conditions mean ----------------------------------------------------------------------------


def compared_as(value):
    """A value as it is compared: integers and decimals exactly, days as moments, moments in UTC."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def compare(operator, one, other):
    if one is None or other is None:
        return None
    if any(isinstance(value, float) and math.isnan(value) for value in (one, other)):
        return operator == "<>"
    return {
        "=": one == other,
        "<>": one != other,
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
    }[operator]


def conjunction(one, other):
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def negation(one):
    return None if one is None else not one


def disjunction(one, other):
    return negation(conjunction(negation(one), negation(other)))


# -- conditions --------------------------------------------------------------------------------------


def quoted(name):
    if name == "s.x":
        return chance.choice(["s.x", '"s"."x"', 's."x"'])
    if name == "s.a.b":
        return 's."a.b"'
    plain = re.fullmatch(r"[a-zöß0-9]+", name) and name != "order"
    return name if plain and chance.random() < 0.5 else '"' + name.replace('"', '""') + '"'


def words_of_sql(text):
    return text if chance.random() < 0.7 else text.lower()


def text_of_sql(text):
    return "'" + text.replace("'", "''") + "'"


ODD_NUMBERS = [
    "0", "-0", "-0.0", "0.1", "1e3", "-1.5", "17.5", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "-9223372036854775808", "-9223372036854775809", "1e400",
    "-1e400", "1e-400", "123456789012345678901234567890", "0.005", ".5", "5.", "1E2", "2147483648", "256",
    "-129", "99999999999999999999999999999999999999999999999.5",
]


def number_literal(name):
    known = [value for value in chance.choices(values[name], k=5) if value is not None]
    known = [value for value in known if not isinstance(value, float) or math.isfinite(value)]
    text = chance.choice(ODD_NUMBERS)
    if known and chance.random() < 0.6:
        text = format(known[0], "f") if isinstance(known[0], Decimal) else repr(known[0])
    if name in ("f32", "f64"):
        number = float(text)
        return text, single(number) if name == "f32" else number
    return text, Fraction(Decimal(text))


def moment_literal(name):
    if name == "day" and chance.random() < 0.6 or chance.random() < 0.1:
        one = day()
        word = chance.choice(["", "DATE "]) if name == "day" else ""
        return f"{word}'{one.isoformat()}'", compared_as(one)
    one = moment()
    zone, ahead = chance.choice([("", 0), ("Z", 0), ("+02:00", 120), ("-05:30", -330)])
    text = one.isoformat(sep=chance.choice(" T")) + zone
    word = chance.choice(["", "TIMESTAMP "])
    return f"{word}'{text}'", compared_as(one - dt.timedelta(minutes=ahead))


def literal(name):
    """What is compared with a column, and its value."""
    if chance.random() < 0.04:
        return "NULL", None
    if name in NUMBERS:
        return number_literal(name)
    if name in TEXTS:
        text = chance.choice([*WORDS, "b", "aa"])
        return text_of_sql(text), text
    if name == "day" or name in TIMES:
        return moment_literal(name)
    if name == "clock":
        time = clock()
        return chance.choice(["", "TIME "]) + f"'{time.isoformat()}'", time
    if name == "raw":
        content = raw()
        return f"X'{content.hex()}'", content
    truth = chance.random() < 0.5
    return words_of_sql("TRUE" if truth else "FALSE"), truth


def operator():
    meant = chance.choice(["=", "<>", "<", "<=", ">", ">="])
    return meant, chance.choice({"=": ["=", "=="], "<>": ["<>", "!="]}.get(meant, [meant]))


def column_of(name):
    return lambda row: compared_as(values[name][row])


def comparison():
    name = chance.choice(list(values))
    value = column_of(name)
    meant, written = operator()
    text, to = literal(name)
    return f"{quoted(name)}{chance.choice([' ', ''])}{written} {text}", lambda row: compare(meant, value(row), to)


def null():
    name = chance.choice(list(values))
    wanted = chance.random() < 0.5
    text = words_of_sql("IS NULL" if wanted else "IS NOT NULL")
    return f"{quoted(name)} {text}", lambda row: (values[name][row] is None) == wanted


def among():
    name = chance.choice(list(values))
    value = column_of(name)
    given = [literal(name) for _ in range(chance.randint(1, 6))]
    negated = chance.random() < 0.4

    def means(row):
        found = False
        for _, to in given:
            found = disjunction(found, compare("=", value(row), to))
        return negation(found) if negated else found

    texts = ", ".join(text for text, _ in given)
    return f"{quoted(name)} {words_of_sql('NOT IN' if negated else 'IN')} ({texts})", means


def between():
    name = chance.choice([name for name in values if name != "order"])
    value = column_of(name)
    (low, least), (high, most) = literal(name), literal(name)
    negated = chance.random() < 0.3

    def means(row):
        inside = conjunction(compare(">=", value(row), least), compare("<=", value(row), most))
        return negation(inside) if negated else inside

    word = words_of_sql("NOT BETWEEN" if negated else "BETWEEN")
    return f"{quoted(name)} {word} {low} {words_of_sql('AND')} {high}", means


PATTERNS = [
    "%", "_", "__", "a%", "a\\%", "\\_", "%\\\\%", "%a", "%b%", "A_", "é", "%日_", "😀_", "a!%", "", "%%", "_%_",
    "%\n%", "a%b", "%ab%", "a_b", "O'%", '%"%', "z%z",
]


def like():
    name = chance.choice(TEXTS)
    pattern = chance.choice(PATTERNS)
    escape = "!" if chance.random() < 0.3 else "\\"
    any_case = pattern.isascii() and chance.random() < 0.3
    negated = chance.random() < 0.4
    parts = re.findall(re.escape(escape) + ".|.", pattern, re.DOTALL)
    plain = {"%": ".*", "_": "."}
    wanted = "".join(plain.get(part) or re.escape(part[-1]) for part in parts)
    wanted = re.compile(wanted, re.DOTALL | (re.IGNORECASE if any_case else 0))

    def means(row):
        text = values[name][row]
        found = None if text is None else wanted.fullmatch(text) is not None
        return negation(found) if negated else found

    word = ("NOT " if negated else "") + ("ILIKE" if any_case else "LIKE")
    end = " ESCAPE '!'" if escape == "!" else ""
    return f"{quoted(name)} {word} {text_of_sql(pattern)}{end}", means


def truth():
    wanted = chance.choice([None, True, False, "unknown"])
    if wanted is None:
        return '"order"', lambda row: values["order"][row]
    negated = chance.random() < 0.5
    what = None if wanted == "unknown" else wanted
    text = f'"order" IS {"NOT " if negated else ""}{str(wanted).upper()}'
    return text, lambda row: (values["order"][row] is what) != negated


def distinct():
    name = chance.choice(list(values))
    value = column_of(name)
    text, to = literal(name)
    negated = chance.random() < 0.5

    def means(row):
        other = compare("<>", value(row), to)
        apart = (value(row) is None) != (to is None) if other is None else other
        return apart != negated

    return f"{quoted(name)} IS {'NOT ' if negated else ''}DISTINCT FROM {text}", means


def two_columns():
    kind = chance.choice([NUMBERS, NUMBERS, TEXTS, TIMES])
    one, other = chance.choice(kind), chance.choice(kind)
    left, right = column_of(one), column_of(other)
    # Beside a float both are doubles.
    as_doubles = kind is NUMBERS and {"f32", "f64"} & {one, other}
    meant, written = operator()

    def number(value):
        return float(value) if as_doubles and value is not None else value

    return f"{quoted(one)} {written} {quoted(other)}", lambda row: compare(meant, number(left(row)), number(right(row)))


KINDS = [comparison] * 5 + [among] * 2 + [between] * 2 + [like] * 3 + [null, truth, distinct, two_columns]


def condition(depth):
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(KINDS)()
    one, means = condition(depth - 1)
    if chance.random() < 0.2:
        return f"{words_of_sql('NOT')} ({one})", lambda row: negation(means(row))
    other, also = condition(depth - 1)
    if chance.random() < 0.5:
        return f"({one}) {words_of_sql('AND')} ({other})", lambda row: conjunction(means(row), also(row))
    return f"({one}) {words_of_sql('OR')} ({other})", lambda row: disjunction(means(row), also(row))


# -- files -------------------------------------------------------------------------------------------

arrays = {name: pa.array(values[name], kind) for name, (kind, _) in COLUMNS.items()}
arrays["s"] = pa.array(structs, pa.struct([("x", pa.int32()), ("a.b", pa.string())]))
arrays["id"] = pa.array(range(ROWS), pa.int32())
table = pa.table(arrays)
pq.write_table(
    table,
    f"{path}.parquet",
    row_group_size=chance.choice([37, 100, 600]),
    data_page_size=64,
    write_batch_size=10,
    write_page_index=True,
    use_dictionary=chance.random() < 0.5,
    data_page_version=chance.choice(["1.0", "2.0"]),
)
with pa.ipc.new_file(f"{path}.arrow", table.schema) as writer:
    writer.write_table(table, max_chunksize=150)
conditions = []
for _ in range(count):
    text, means = condition(chance.choice([0, 0, 1, 2, 3]))
    conditions.append([text, [row for row in range(ROWS) if means(row) is True]])
with open(f"{path}.json", "w") as file:
    json.dump(conditions, file)
