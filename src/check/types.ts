/** What `crctl check` tells, feature by feature. Ids and fields are stable: schedulers decide by them. */

import { readFileSync } from "node:fs";

import { CrctlError } from "../errors.js";

/** limited: with the restriction that `why` tells */
export type Status = "yes" | "no" | "limited";

export interface Answer {
  status: Status;
  /** a sentence: the reason, and what it means for whoever uses crctl; "" if there is nothing to tell */
  why: string;
  /** what was found, where that is more than yes or no */
  value?: string;
}

export interface Feature extends Answer {
  id: string;
  /** what it is about, in a few words */
  about: string;
  /** without it crctl can neither dump nor restore */
  needed: boolean;
}

export interface Probe {
  id: string;
  about: string;
  needed?: true;
  /** One that throws has been answered: no. */
  ask: () => Answer;
}

export const YES: Answer = { status: "yes", why: "" };

export function no(why: string): Answer {
  return { status: "no", why };
}

export function limited(why: string): Answer {
  return { status: "limited", why };
}

export function answerOf({ id, about, ask, ...rest }: Probe): Feature {
  const needed = rest.needed === true;
  try {
    return { id, about, needed, ...ask() };
  } catch (error) {
    // the addon, which all need
    if (error instanceof CrctlError) throw error;
    return { id, about, needed, ...no(`it cannot be tried: ${error instanceof Error ? error.message : String(error)}`) };
  }
}

/** undefined: it is not there, or may not be read. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
