/** Runs the disk tools of the system where they are installed; none of them is needed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const TOOL_MS_MAX = 120_000;

/** Administrators' folders are not in everybody's PATH. */
const FOLDERS = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Where the tool is; undefined when it is not installed. */
export function findTool(name: string): string | undefined {
  return FOLDERS.filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
}

/** Runs to the end and answers whatever exit code it had. Rejects only when it cannot be started or does not end. */
export function runTool(file: string, args: readonly string[]): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: OUTPUT_BYTES_MAX, timeout: TOOL_MS_MAX, env: { ...process.env, LC_ALL: 'C' } };
    execFile(file, [...args], options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(new Error(`${path.basename(file)}: ${error.message}`));
      else resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

/** As runTool, but anything but exit code 0 is an error with the tool's own words. */
export async function runToolWell(file: string, args: readonly string[]): Promise<string> {
  const result = await runTool(file, args);
  if (result.code !== 0) {
    throw new Error(
      `${path.basename(file)} ended with ${result.code}: ${(result.stderr || result.stdout).trim().slice(-600)}`,
    );
  }
  return result.stdout;
}
