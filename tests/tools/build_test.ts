/**
 * `tools/build.ts` in a small repository of its own, with stand-ins for cargo and the compilers.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";

const libraryName = Deno.build.os === "darwin" ? "libdipper.dylib" : "libdipper.so";

describe({
  name: "tools/build.ts",
  ignore: Deno.build.os === "windows", // the stand-in programs are shell scripts
  fn: () => {
    let folder: string;
    let library: string;

    beforeEach(async () => {
      folder = await Deno.makeTempDir({ prefix: "dipper-build-test-" });
      library = join(folder, "build", libraryName);
      for (const name of ["tools", "native", "bin", "target/release"]) {
        await Deno.mkdir(join(folder, name), { recursive: true });
      }
      for (const name of ["build.ts", "repository.ts"]) {
        await Deno.copyFile(join(root, "tools", name), join(folder, "tools", name));
      }
      await Deno.writeTextFile(join(folder, "Cargo.toml"), 'rust-version = "1.94.1"\n');
      await Deno.writeTextFile(join(folder, "native/lib.rs"), "");
      await Deno.writeTextFile(join(folder, "target/release", libraryName), "library 1");
    });

    afterEach(async () => {
      await Deno.remove(folder, { recursive: true });
    });

    async function program(name: string, script: string): Promise<void> {
      const path = join(folder, "bin", name);
      await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`);
      await Deno.chmod(path, 0o755);
    }

    /** Programs that pass every check; cargo "builds" by naming a file and counts its runs. */
    async function everything(): Promise<void> {
      const artifact = JSON.stringify({
        reason: "compiler-artifact",
        filenames: [join(folder, "target/release", libraryName)],
      });
      await program("rustc", "echo rustc 1.95.0");
      await program("cc", "exit 0");
      await program(
        "cargo",
        `if [ "$1" = --version ]; then echo cargo 1.95.0; exit; fi
echo run >> ${join(folder, "runs")}
echo '${artifact}'`,
      );
    }

    async function build(): Promise<{ code: number; stderr: string }> {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-config", "--allow-all", join(folder, "tools/build.ts")],
        env: { PATH: join(folder, "bin"), HOME: folder, NO_COLOR: "1" },
        clearEnv: true,
      }).output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    }

    async function runs(): Promise<number> {
      const text = await Deno.readTextFile(join(folder, "runs")).catch(() => "");
      return text.split("\n").length - 1;
    }

    it("names everything that is missing at once, each with a remedy", async () => {
      const { code, stderr } = await build();
      assertEquals(code, 1);
      for (const name of ["cargo 1.94.1", "rustc 1.94.1", "a C compiler"]) {
        assertStringIncludes(stderr, name);
      }
      assertStringIncludes(stderr, "rustup");
      assertStringIncludes(stderr, Deno.build.os === "darwin" ? "xcode-select" : "apt-get install");
    });

    it("names a Rust that is too old with its version", async () => {
      await everything();
      await program("rustc", "echo rustc 1.94.0");
      const { code, stderr } = await build();
      assertEquals(code, 1);
      assertStringIncludes(stderr, "rustc 1.94.1 or newer; this is 1.94.0");
      assert(!stderr.includes("cargo 1.94.1"), stderr);
      assertEquals(await runs(), 0);
    });

    it("refuses a C compiler that compiles nothing", async () => {
      await everything();
      await program("cc", "exit 1");
      const { code, stderr } = await build();
      assertEquals(code, 1);
      assertStringIncludes(stderr, "a C compiler");
      assertEquals(await runs(), 0);
    });

    it("puts the library in place, and needs no cargo while no source is newer", async () => {
      await everything();
      assertEquals((await build()).code, 0);
      assertEquals(await Deno.readTextFile(library), "library 1");
      await Deno.remove(join(folder, "bin"), { recursive: true });
      const again = await build();
      assertEquals(again, { code: 0, stderr: "" });
      assertEquals(await runs(), 1);
    });

    it("builds again for a changed, a new and a removed source", async () => {
      await everything();
      const changes = [
        () => Deno.writeTextFile(join(folder, "native/lib.rs"), "// changed"),
        () => Deno.writeTextFile(join(folder, "native/new.rs"), ""),
        () => Deno.remove(join(folder, "native/new.rs")),
        () => Deno.writeTextFile(join(folder, "Cargo.toml"), 'rust-version = "1.94.1"\n#'),
      ];
      assertEquals((await build()).code, 0);
      for (const [i, change] of changes.entries()) {
        await change();
        await Deno.writeTextFile(join(folder, "target/release", libraryName), `library ${i + 2}`);
        assertEquals((await build()).code, 0);
        assertEquals(await Deno.readTextFile(library), `library ${i + 2}`);
        assertEquals(await runs(), i + 2);
      }
    });

    it("replaces the file, so that a mapped old library stays whole", async () => {
      await everything();
      await build();
      const old = await Deno.open(library);
      try {
        await Deno.writeTextFile(join(folder, "native/lib.rs"), "// changed");
        await Deno.writeTextFile(join(folder, "target/release", libraryName), "library 2");
        await build();
        assertEquals(await new Response(old.readable).text(), "library 1");
        assertEquals(await Deno.readTextFile(library), "library 2");
        const left = Array.from(Deno.readDirSync(join(folder, "build")), (entry) => entry.name);
        assertEquals(left, [libraryName]);
      } finally {
        try {
          old.close();
        } catch {
          // The stream has closed it.
        }
      }
    });

    it("keeps the old library and says so when cargo fails", async () => {
      await everything();
      await build();
      await Deno.writeTextFile(join(folder, "native/lib.rs"), "// broken");
      await program("cargo", 'if [ "$1" = --version ]; then echo cargo 1.95.0; exit; fi\nexit 101');
      const { code, stderr } = await build();
      assertEquals(code, 1);
      assertStringIncludes(stderr, "cargo failed with code 101");
      assertEquals(await Deno.readTextFile(library), "library 1");
    });
  },
});
