// The first records of delimited text (CSV, TSV): fields, quotes and line breaks inside quotes as
// in RFC 4180. Only the head is read; a record that the head cuts off is left out.

/** What may separate fields, the likeliest first. */
const DELIMITERS = [",", "\t", ";", "|"] as const;

// How many records must agree before text counts as a table.
const RECORDS_TO_AGREE = 3;
const RECORDS_TO_READ = 10;

/**
 * Splits the first records of delimited text into fields.
 *
 * @param text The beginning of the text.
 * @param delimiter One character.
 * @param limit The most records to return.
 * @param complete Whether `text` is everything, so that its last record counts without a line break.
 *
 * @example
 * ```ts
 * readRecords('a,b\n1,"x,y"\n', ",", 10, true); // [["a", "b"], ["1", "x,y"]]
 * ```
 */
export function readRecords(
  text: string,
  delimiter: string,
  limit: number,
  complete: boolean,
): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  while (at < text.length && records.length < limit) {
    let field: string;
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1);
      if (end < 0) return records;
      field = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    } else {
      const start = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== "\n") at++;
      field = text.slice(start, text[at] === "\n" && text[at - 1] === "\r" ? at - 1 : at);
    }
    record.push(field);
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    if (text[at] === delimiter) {
      at++;
      if (at === text.length && complete) record.push("");
    } else if (text[at] === "\n") {
      at++;
      records.push(record);
      record = [];
    } else if (at < text.length) {
      // Something follows a closing quote: keep it with the field rather than lose it.
      const start = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== "\n") at++;
      record[record.length - 1] += text.slice(start, at);
      if (text[at] === delimiter) at++;
      else if (text[at] === "\n") {
        at++;
        records.push(record);
        record = [];
      }
    }
  }
  if (complete && record.length > 0 && records.length < limit) records.push(record);
  return records;
}

function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

/**
 * The delimiter of text that is a table: at least three records (two where that is all there is)
 * of the same number of fields, two or more. Prose with a comma in every line is no table: its
 * commas are followed by a space, and its lines are long.
 */
export function guessDelimiter(text: string, complete: boolean): string | undefined {
  for (const delimiter of DELIMITERS) {
    const firstLine = text.slice(0, Math.max(0, text.indexOf("\n")));
    if (!firstLine.includes(delimiter)) continue;
    const records = readRecords(text, delimiter, RECORDS_TO_READ, complete);
    if (records.length < (complete ? 2 : RECORDS_TO_AGREE)) continue;
    const width = records[0]?.length ?? 0;
    if (width < 2 || records.some((record) => record.length !== width)) continue;
    const header = records[0] ?? [];
    if (header.some((name) => name.length > 80)) continue;
    const fields = records.flat();
    const spaced = fields.filter((field) => /^ \S+ /.test(field)).length;
    if (spaced * 4 > fields.length) continue;
    return delimiter;
  }
  return undefined;
}
