// The name of an Arrow type, as people who know Arrow write it: `int64`, `timestamp[us, UTC]`,
// `list<utf8>`.

import type { DataType, FlechetteLibrary } from "./flechette.ts";

// deno-lint-ignore no-explicit-any -- the members of Flechette's types differ by `typeId`
type AnyType = any;

const UNITS = ["s", "ms", "us", "ns"];
const INTERVALS = ["year_month", "day_time", "month_day_nano"];

/** The name of a type. */
export function typeText({ Type }: FlechetteLibrary, given: DataType): string {
  const name = (type: AnyType): string => {
    const children = (type.children ?? []) as { name: string; type: AnyType }[];
    const inner = (): string => children.map((child) => name(child.type)).join(", ");
    const named = (): string =>
      children.map((child) => `${child.name}: ${name(child.type)}`).join(", ");
    switch (type.typeId) {
      case Type.Null:
        return "null";
      case Type.Int:
        return `${type.signed ? "" : "u"}int${type.bitWidth}`;
      case Type.Float:
        return ["float16", "float32", "float64"][type.precision] ?? "float";
      case Type.Bool:
        return "bool";
      case Type.Utf8:
        return "utf8";
      case Type.LargeUtf8:
        return "large_utf8";
      case Type.Utf8View:
        return "utf8_view";
      case Type.Binary:
        return "binary";
      case Type.LargeBinary:
        return "large_binary";
      case Type.BinaryView:
        return "binary_view";
      case Type.FixedSizeBinary:
        return `fixed_size_binary[${type.stride}]`;
      case Type.Decimal:
        return `decimal${type.bitWidth}(${type.precision}, ${type.scale})`;
      case Type.Date:
        return type.unit === 0 ? "date32" : "date64";
      case Type.Time:
        return `time${type.bitWidth}[${UNITS[type.unit]}]`;
      case Type.Timestamp:
        return `timestamp[${UNITS[type.unit]}${type.timezone ? `, ${type.timezone}` : ""}]`;
      case Type.Duration:
        return `duration[${UNITS[type.unit]}]`;
      case Type.Interval:
        return `interval[${INTERVALS[type.unit]}]`;
      case Type.List:
        return `list<${inner()}>`;
      case Type.LargeList:
        return `large_list<${inner()}>`;
      case Type.ListView:
        return `list_view<${inner()}>`;
      case Type.LargeListView:
        return `large_list_view<${inner()}>`;
      case Type.FixedSizeList:
        return `fixed_size_list<${inner()}>[${type.stride}]`;
      case Type.Struct:
        return `struct<${named()}>`;
      case Type.Map: {
        const entries = (children[0]?.type?.children ?? []) as { type: AnyType }[];
        return `map<${entries.map((entry) => name(entry.type)).join(", ")}>`;
      }
      case Type.Union:
        return `union<${named()}>`;
      case Type.Dictionary:
        return `dictionary<${name(type.dictionary)}>`;
      case Type.RunEndEncoded:
        return `run_end_encoded<${name(children[1]?.type ?? {})}>`;
      default:
        return "unknown";
    }
  };
  return name(given);
}
