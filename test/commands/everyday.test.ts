/** Everyday command lines, many programs and options to each: everyday.txt. */
import { readFileSync } from "node:fs";
import { imagePath } from "../cli/cli.ts";
import { sameInOneGuest } from "./same.ts";

const text = readFileSync(new URL("./everyday.txt", import.meta.url), "utf8");
const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

sameInOneGuest(imagePath("debian"), lines);
