// The plotting library and the document it draws into: optional packages, loaded when the first picture is drawn.
// Nothing else in src/ may name them. The names are handed to import() as variables, so that a bundler leaves them alone.
import { MinibatchError } from "../errors.ts";

export type Plot = typeof import("@observablehq/plot");

/** What of a DOM element is used here. */
export interface DrawnElement {
  readonly nodeType: number;
  readonly localName: string;
  readonly textContent: string | null;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  readonly childNodes: Iterable<DrawnElement>;
}

export interface Library {
  readonly plot: Plot;
  /** Marks and scales as Observable Plot draws them: the root `svg` element. */
  draw(options: import("@observablehq/plot").PlotOptions): DrawnElement;
}

/** For tests: what import() is. */
export type Importer = (name: string) => Promise<unknown>;

const packages = ["@observablehq/plot", "linkedom"] as const;

/** Observable Plot with a document of linkedom, or an error that says what to install. */
export async function loadWith(load: Importer): Promise<Library> {
  const [plot, dom] = await Promise.all(
    packages.map(async (name) => {
      try {
        return await load(name);
      } catch (cause) {
        throw new MinibatchError(
          `minibatch/plot: pictures need the packages ${packages.join(" and ")}, and ${name} could not be loaded (${cause instanceof Error ? cause.message.split("\n")[0] : cause}); npm install ${packages.join(" ")}`,
          "OPTION",
          { cause },
        );
      }
    }),
  );
  const { parseHTML } = dom as typeof import("linkedom");
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  return {
    plot: plot as Plot,
    draw: (options) => (plot as Plot).plot({ ...options, document }) as unknown as DrawnElement,
  };
}

let loaded: Promise<Library> | undefined;

export function library(): Promise<Library> {
  loaded ??= loadWith((name) => import(/* @vite-ignore */ /* webpackIgnore: true */ name)).catch((error: unknown) => {
    // Installed meanwhile, it works at the next call.
    loaded = undefined;
    throw error;
  });
  return loaded;
}
