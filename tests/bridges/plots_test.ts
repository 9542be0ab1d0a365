// Plots: what a cell shows, what goes in, and what is refused.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as Plot from "@observablehq/plot";
import { tableFromArrays } from "@uwdata/flechette";
import { Figure, InvalidInputError, plot, RustBuffer } from "../../mod.ts";
import { JUPYTER_DISPLAY, MAX_BUNDLE_BYTES } from "../../jupyter/media_bundle.ts";
import { PACKAGES } from "../../jupyter/plot_library.ts";
import { histogramOf, lineOf } from "../../jupyter/plot_reduce.ts";

// The library is loaded once and stays, which a test may not.
new RustBuffer(1).dispose();

const HOSTILE = `</text></svg><script>alert(1)</script>"'\u0000\u202e`;
const VALUES = new Float64Array([1, 4, 2, 8, 5, 7]);

/** What a mark of one's own needs of the document. */
interface PlotElement {
  textContent: string;
  append(child: PlotElement): void;
  setAttribute(name: string, value: string): void;
}
interface PlotDocument {
  createElementNS(namespace: string, name: string): PlotElement;
}

async function shown(figure: Figure): Promise<{ html: string; svg: string; plain: string }> {
  const bundle = await figure[JUPYTER_DISPLAY]();
  return {
    html: bundle["text/html"] as string,
    svg: bundle["image/svg+xml"] as string,
    plain: bundle["text/plain"] as string,
  };
}

describe("a plot", () => {
  it("shows a mark, marks, a specification and what a function draws", async () => {
    const mark = () => Plot.dot(VALUES, { x: (_: number, i: number) => i, y: (d: number) => d });
    const figures = [
      plot(mark()),
      plot([mark(), Plot.ruleY([0])]),
      plot({ marks: [[mark()], null] }),
      plot((Plot) => Plot.dotX(VALUES)),
      plot((Plot) => ({ marks: [Plot.dotX(VALUES)], width: 300 })),
    ];
    for (const figure of figures) {
      const { html, svg, plain } = await shown(figure);
      assertEquals(svg.match(/<circle/g)?.length, VALUES.length);
      assertMatch(
        html,
        /^<div class="dipper-plot" style="overflow-x:auto"><svg width="\d+" height="\d+" viewBox/,
      );
      assertMatch(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      assertMatch(plain, /^Figure: /);
      assert(plain.length < 100);
      assertEquals(await figure.svg(), svg);
    }
  });

  it("takes its colours from the page and has no background", async () => {
    const { html, svg } = await shown(plot(VALUES));
    assertStringIncludes(html, "currentColor");
    assertStringIncludes(html, "color:var(--jp-content-font-color1,inherit)");
    for (const text of [html, svg]) assertEquals(/white(?!-space)|#fff/i.exec(text), null);
  });

  it("is as wide as asked for, and never wider than the page", async () => {
    const { html } = await shown(plot.line(VALUES, { width: 1200, height: 300 }));
    assertStringIncludes(html, `<svg width="1200" height="300" viewBox="0 0 1200 300"`);
    assertStringIncludes(html, "max-width:100%;min-width:480px;height:auto");
  });

  it("says what it is outside a notebook", () => {
    assertEquals(
      Deno.inspect(plot(new Float64Array(2000))),
      "Figure: a histogram and a line of 2,000 values; a notebook shows it, svg() gives it as a file",
    );
    assert(plot(VALUES) instanceof Figure);
  });

  it("is drawn with the versions that deno.json names", async () => {
    const { imports } = JSON.parse(
      await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
    );
    assertEquals(PACKAGES.plot, imports["@observablehq/plot"]);
    assertEquals(PACKAGES.document, imports["linkedom"]);
  });
});

describe("a column of a plot", () => {
  it("goes in as it is", async () => {
    const mark = Plot.lineY(VALUES) as unknown as { data: unknown };
    await plot(mark as unknown as Plot.Markish).svg();
    assertStrictEquals(mark.data, VALUES);
  });

  it("is not copied, however long it is", async () => {
    await plot(VALUES).svg();
    const column = new Float64Array(4_000_000).map((_, i) => Math.sin(i / 1e5));
    const before = Deno.memoryUsage();
    const { html } = await shown(plot(column));
    const after = Deno.memoryUsage();
    assert(after.external - before.external < column.byteLength / 4);
    assertStringIncludes(html, "<rect");
  });

  it("may be of any kind of number", async () => {
    const columns = [
      new Float32Array([1, 2, 4]),
      new Float16Array([1, 2, 4]),
      new Uint8Array([1, 2, 4]),
      new BigInt64Array([1n, 2n, 4n]),
      [1, null, 2, 4n, undefined],
      { data: new Float64Array([0, 1, 9, 2, 9, 4]), shape: [3], stride: [2], offset: 1 },
      { data: new Float64Array([0, 1, 2, 4]), shape: [3], strides: [1], offset: 1 },
      tableFromArrays({ x: new Float64Array([1, 2, 4]) }).getChildAt(0),
      tableFromArrays({ x: [1, null, 2, 4] }).getChildAt(0),
    ];
    for (const column of columns) {
      const { svg } = await shown(plot(column));
      assertEquals(svg.match(/<rect/g)?.length, 3);
    }
  });

  it("may lie in memory of Rust's, and must still be there when it is drawn", async () => {
    const buffer = new RustBuffer(80);
    const column = new Float64Array(buffer.view().buffer);
    column.set([3, 1, 2]);
    const [line, histogram, spec] = [
      plot.line(column),
      plot.histogram(column),
      plot(Plot.lineY(column)),
    ];
    assertStringIncludes(await plot(column).svg(), "<path");
    const drawn = await line.svg();
    buffer.dispose();
    assertEquals(await line.svg(), drawn);
    for (const figure of [histogram, spec]) {
      const error = await assertRejects(() => figure.svg(), InvalidInputError);
      assertMatch(error.message, /released before the plot was drawn; keep it/);
    }
    assertThrows(() => plot.line(column), InvalidInputError, "released");
  });

  it("may be empty or hold nothing finite", async () => {
    for (const column of [[], new Float64Array(), [NaN, null], [Infinity, -Infinity]]) {
      assertMatch(await plot.histogram(column).svg(), /^<svg/);
      assertMatch(await plot.line(column).svg(), /^<svg/);
    }
    assertStringIncludes(
      await plot.histogram([1, 2, NaN, Infinity]).svg(),
      "2 of 4 values are no finite numbers and left out",
    );
  });
});

describe("a histogram", () => {
  it("counts every finite value once, between round bounds", () => {
    for (const about of [1, 7, 40, 1000]) {
      for (const scale of [1, 1e-9, 1e9, -3, 1e300, 1e-300]) {
        const column = Float64Array.from({ length: 999 }, (_, i) => Math.sin(i) * scale);
        const { bins, missing } = histogramOf(column, about);
        assertEquals(bins.reduce((sum, { count }) => sum + count, 0), 999);
        assertEquals(missing, 0);
        assert(bins.length <= about + 2);
        for (const [at, { from, to, count }] of bins.entries()) {
          const last = at === bins.length - 1;
          const inside = column.filter((value) =>
            value >= from && (value < to || (last && value === to))
          );
          assertEquals(count, inside.length);
        }
      }
    }
  });

  it("puts a value on a bound above it, and the greatest below", () => {
    const { bins } = histogramOf([0.1, 0.2, 0.3, 0.4], 3);
    assertEquals(bins, [
      { from: 0.1, to: 0.2, count: 1 },
      { from: 0.2, to: 0.3, count: 1 },
      { from: 0.3, to: 0.4, count: 2 },
    ]);
  });

  it("has one bin for equal values, and bounds for the greatest numbers", () => {
    assertEquals(histogramOf([5, 5], 40).bins, [{ from: 5, to: 6, count: 2 }]);
    assertEquals(histogramOf([0], 40).bins.length, 1);
    const { bins } = histogramOf([-Number.MAX_VALUE, Number.MAX_VALUE], 10);
    assertEquals(bins.reduce((sum, { count }) => sum + count, 0), 2);
  });
});

describe("a line", () => {
  it("keeps the ends, the least and the greatest of each stretch", () => {
    const column = Float64Array.from({ length: 100_000 }, (_, i) => (i * 7919) % 1009);
    const { x, y } = lineOf(column, 100);
    assert(x.length <= 400);
    for (let stretch = 0; stretch < 100; stretch++) {
      const part = column.subarray(stretch * 1000, (stretch + 1) * 1000);
      const drawn = y.filter((_, at) => Math.floor((x[at] ?? 0) / 1000) === stretch);
      assertEquals(Math.min(...drawn), Math.min(...part));
      assertEquals(Math.max(...drawn), Math.max(...part));
      assertEquals(drawn[0], part[0]);
      assertEquals(drawn.at(-1), part.at(-1));
    }
    for (const [at, index] of x.entries()) assertEquals(y[at], column[index]);
  });

  it("has gaps where values are missing", () => {
    const column = new Float64Array(1000).fill(1).fill(NaN, 400, 600);
    const { y } = lineOf(column, 10);
    assertEquals(y.filter((value) => Number.isNaN(value)).length, 2);
  });

  it("of ten million values fits a display", async () => {
    const { html } = await shown(plot.line(new Float32Array(10_000_000)));
    assert(html.length < MAX_BUNDLE_BYTES / 4);
  });
});

describe("what is too much for a picture", () => {
  const refused = async (figure: Figure, what: RegExp): Promise<void> => {
    const error = await assertRejects(() => figure[JUPYTER_DISPLAY](), InvalidInputError);
    assertMatch(error.message, what);
    await assertRejects(() => figure.svg(), InvalidInputError);
  };
  const many = new Float64Array(100_000);
  const index = (_: number, i: number): number => i;

  it("is a scatter of very many points: the error says to bin or to sample", async () => {
    const dots = Plot.dot(many, { x: index, y: index });
    await refused(plot(dots), /more than 20,000 shapes; .*Plot.bin.*every k-th/);
  });

  it("is a path of very many points", async () => {
    await refused(plot(Plot.lineY(many.map((_, i) => Math.sin(i)))), /bytes, more than a display/);
  });

  it("is a mark of very many rows", async () => {
    await refused(plot(Plot.dot({ length: 20_000_000 })), /20,000,000 rows, more than 10,000,000/);
  });

  it("is shown as HTML alone where both would be too large", async () => {
    const wave = many.subarray(0, 40_000).map((_, i) => Math.sin(i));
    const bundle = await plot(Plot.lineY(wave))[JUPYTER_DISPLAY]();
    assertEquals(Object.keys(bundle), ["text/html", "text/plain"]);
    assert(JSON.stringify(bundle).length <= MAX_BUNDLE_BYTES);
  });
});

describe("legends and texts of a plot", () => {
  it("are drawn, a ramp for numbers and squares for names", async () => {
    const dots = { x: (_: number, i: number) => i, y: (d: number) => d };
    const ramp = await plot({
      color: { legend: true, label: "speed" },
      title: "Title",
      subtitle: "Subtitle",
      caption: "Caption",
      marks: [Plot.dot(VALUES, { ...dots, fill: (d: number) => d })],
    }).svg();
    assertMatch(ramp, /<image [^>]*href="data:image\/svg\+xml,/);
    for (const text of ["speed", "Title", "Subtitle", "Caption"]) {
      assertStringIncludes(ramp, `>${text}</text>`);
    }
    const names = await plot({
      color: { legend: true },
      marks: [Plot.dot(VALUES, { ...dots, fill: (_: number, i: number) => `name ${i}` })],
    }).svg();
    assertStringIncludes(names, ">name 5</text>");
  });

  it("refuse a raster, which needs a canvas", async () => {
    const raster = Plot.raster({ x1: 0, x2: 1, y1: 0, y2: 1, fill: (x: number) => x });
    await assertRejects(() => plot(raster).svg(), InvalidInputError, "a raster needs a canvas");
  });

  it("are text, whatever they hold", async () => {
    const marks = (): Plot.Markish[] => [
      Plot.dot(VALUES, {
        x: (_: number, i: number) => i,
        y: (d: number) => d,
        title: () => HOSTILE,
        fill: () => HOSTILE,
        href: () => "javascript:alert(1)",
        ariaLabel: HOSTILE,
      }),
      Plot.text(["a"], { x: () => 1, y: () => 1, text: () => HOSTILE, fontFamily: HOSTILE }),
      Plot.image([1], { x: () => 1, y: () => 1, src: () => "javascript:alert(1)" }),
    ];
    const figures = [
      plot({
        marks: marks(),
        title: HOSTILE,
        caption: HOSTILE,
        x: { label: HOSTILE },
        color: { type: "categorical", legend: true },
        style: `background:url("javascript:alert(1)")`,
      }),
      plot({ marks: marks(), style: { background: `url("javascript:alert(1)")` } }),
      plot.histogram(VALUES, { label: HOSTILE, title: HOSTILE }),
      plot.line(VALUES, { label: HOSTILE, title: HOSTILE }),
    ];
    for (const figure of figures) {
      const { html, svg } = await shown(figure);
      for (const text of [html, svg]) {
        assertEquals(/<script|javascript:|\son\w+=|<foreignObject/i.exec(text), null);
        assertEquals(text.match(/<svg/g)?.length, text.match(/<\/svg>/g)?.length);
        // deno-lint-ignore no-control-regex -- these are what must not be there
        assertEquals(/[\u0000-\u0008\u202e]/.exec(text), null);
      }
    }
  });

  it("are cut when they are very long", async () => {
    const { html } = await shown(plot.line(VALUES, { label: "x".repeat(2 ** 20) }));
    assert(html.length < 50_000);
  });

  it("leave out what a mark of the caller's own draws beside SVG's shapes", async () => {
    const own = (...[, , , , context]: unknown[]): unknown => {
      const { document } = context as { document: PlotDocument };
      const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
      for (const name of ["script", "foreignObject", "iframe", "style", "animate"]) {
        const child = document.createElementNS("http://www.w3.org/2000/svg", name);
        child.textContent = "evil()";
        group.append(child);
      }
      group.setAttribute("onclick", "evil()");
      return group;
    };
    const { html } = await shown(plot([own as unknown as Plot.Markish]));
    assertEquals(/evil/.exec(html), null);
  });
});

describe("what is no plot", () => {
  it("is an InvalidInputError at once, with an example", () => {
    const wrong: unknown[] = [null, undefined, 3, "x", {}, [], ["a"], { marks: 3 }];
    wrong.push({ marks: [] }, { marks: [{}] }, { marks: [null] }, new Date(), new ArrayBuffer(8));
    for (const input of wrong) {
      const error = assertThrows(() => plot(input as never), InvalidInputError);
      assertMatch(error.message, /^plot takes a .* or a column; .*; write plot\(\(Plot\) => /);
    }
    for (const length of [-1, 0, NaN, Infinity, 1e6, "300"]) {
      for (const name of ["width", "height"]) {
        assertThrows(
          () => plot({ marks: [() => null], [name]: length } as never),
          InvalidInputError,
          `${name} is `,
        );
        assertThrows(() => plot.line([1], { [name]: length } as never), InvalidInputError, name);
      }
    }
  });

  it("is no column either", () => {
    for (
      const input of [null, 3, {}, ["a"], new ArrayBuffer(8), new DataView(new ArrayBuffer(8))]
    ) {
      assertThrows(() => plot.line(input as never), InvalidInputError, "takes a column of numbers");
      assertThrows(() => plot.histogram(input as never), InvalidInputError, "a column of numbers");
    }
    const matrix = { data: new Float64Array(4), shape: [2, 2], stride: [2, 1] };
    assertThrows(() => plot.line(matrix), InvalidInputError);
  });

  it("has no other options than it names", () => {
    assertThrows(() => plot.line([1], { bins: 3 } as never), InvalidInputError, "option bins");
    assertThrows(() => plot.histogram([1], { bin: 3 } as never), InvalidInputError, "option bin;");
    for (const bins of [0, -1, 1.5, 1001, NaN, "3"]) {
      assertThrows(() => plot.histogram([1], { bins } as never), InvalidInputError, "bins is ");
    }
    assertThrows(() => plot.line([1], { label: 3 } as never), InvalidInputError, "label is ");
    assertThrows(() => plot.line([1], null as never), InvalidInputError);
  });

  it("tells what Observable Plot says, when it is drawn", async () => {
    const figures = [
      plot({ marks: [Plot.dot(VALUES)], x: { type: "bogus" } } as never),
      plot(() => 3 as never),
      plot({ marks: [Plot.dot(VALUES)], className: "a b" }),
    ];
    for (const figure of figures) {
      const error = await assertRejects(() => figure.svg(), InvalidInputError);
      assert(error.message.length < 300);
      await assertRejects(() => figure[JUPYTER_DISPLAY](), InvalidInputError);
    }
  });

  it("fails with the error of the caller's own function as it is", async () => {
    const own = new RangeError("my own");
    const figure = plot(() => {
      throw own;
    });
    assertStrictEquals(await figure.svg().catch((error: unknown) => error), own);
  });
});
