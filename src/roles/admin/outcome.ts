/**
 * From answers to what the console ends with: exit code and the errors it names (cli.md, "Exit
 * codes"). Pure. One target: its own code. Several: 0 where all did, the common code where all
 * failed for one reason, else 7.
 */
import { type ErrorCode, errorCodeOf, errorCodes, LotcError } from '../../base/errors.ts';
import { signalNumber } from '../../base/signals.ts';
import type { Shape } from '../../net/layout.ts';
import type { Answer } from './client.ts';

type Process = Shape<'process'>;

export interface Complaint {
  readonly code: string;
  readonly message: string;
  readonly node?: string | undefined;
  readonly hint?: string | undefined;
}

export interface Outcome {
  readonly exitCode: number;
  readonly complaints: readonly Complaint[];
}

export const PARTIAL = errorCodes['some-failed'].exit;
const WRONG_STATE = errorCodes['wrong-state'].exit;
/** `run`: what a shell says of a program it cannot find or may not run, and lotc of itself. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;
const OWN_FAILURE = 125;
const SIGNALLED = 128;

export const complaintOf = (error: unknown): Complaint => {
  if (error instanceof LotcError) {
    const { code, hint, message, node } = error;
    return { code, message, node, hint };
  }
  return {
    code: 'internal',
    message: error instanceof Error ? (error.stack ?? '') : String(error),
  };
};

interface Place {
  readonly node?: string | undefined;
  readonly task?: string | undefined;
  readonly run?: string | undefined;
}

/** `web@n1`, `n1`, `web`: what an answer is about. */
export function placeOf({ node, run, task }: Place): string {
  const what = task ?? run;
  if (what === undefined) return node ?? '';
  return node === undefined || node === '' ? what : `${what}@${node}`;
}

export function judgeAnswers(answers: readonly Answer[]): Outcome {
  const failed = answers.filter((answer) => !answer.ok);
  const complaints = failed.map((answer): Complaint => {
    const code = errorCodeOf(answer.errorCode ?? errorCodes.failed.number);
    const message = answer.text ?? `${placeOf(answer)}: ${code}`;
    return { code, message, node: answer.node, hint: answer.hint };
  });
  return { exitCode: common(complaints.map(exitOf), answers.length), complaints };
}

const exitOf = ({ code }: Complaint): number => errorCodes[code as ErrorCode].exit;

/** `codes` are those of what failed, out of `total` targets. */
function common(codes: readonly number[], total: number): number {
  const [first = 0] = codes;
  if (codes.length === total && codes.every((code) => code === first)) return first;
  return codes.length === 0 ? 0 : PARTIAL;
}

const goals: Readonly<Record<string, readonly string[]>> = {
  running: ['running'],
  ready: ['running'],
  suspended: ['suspended'],
  exited: ['exited'],
  gone: ['exited', 'failed', 'lost'],
};
export const waitGoals: readonly string[] = Object.keys(goals);

/** The program's own code; 128+n where signal n ended it. */
export function programExit({ exitCode, signal }: Process): number {
  if (signal !== undefined) return SIGNALLED + (signalNumber(signal) ?? 0);
  return exitCode ?? 0;
}

export function judgeWait(processes: readonly Process[], waitFor: string): Outcome {
  const isThere = ({ processState }: Process): boolean =>
    goals[waitFor]?.includes(processState) === true;
  const wrong = processes.filter((process) => !isThere(process));
  const complaints = wrong.map((process) => wrongState(process, waitFor));
  if (wrong.length === processes.length) {
    return { exitCode: wrong.length === 0 ? 0 : WRONG_STATE, complaints };
  }
  if (waitFor !== 'exited') return { exitCode: wrong.length === 0 ? 0 : PARTIAL, complaints };
  const [first] = processes;
  if (first && processes.length === 1) return { exitCode: programExit(first), complaints };
  complaints.push(...processes.filter(isThere).flatMap(badEnd));
  return { exitCode: complaints.length === 0 ? 0 : PARTIAL, complaints };
}

/** Of several programs one whose code is not 0 is named; the code of one alone says it all. */
function badEnd(process: Process): readonly Complaint[] {
  const { exitCode, node, signal } = process;
  if (programExit(process) === 0) return [];
  const how = signal === undefined ? `with code ${exitCode}` : `by ${signal}`;
  return [{ code: 'some-failed', message: `${placeOf(process)} ended ${how}`, node }];
}

function wrongState(process: Process, waitFor: string): Complaint {
  const { errorCode, node, processState, reason } = process;
  const because = reason === undefined ? '' : `: ${reason}`;
  const code = errorCode === undefined ? 'wrong-state' : errorCodeOf(errorCode);
  const message = `${placeOf(process)} is ${processState}, not ${waitFor}${because}`;
  return { code, message, node };
}

/** `several`: more nodes matched than were reached; no one program's code speaks for them. */
export function judgeRun(
  processes: readonly Process[],
  answers: readonly Answer[],
  several = false,
): Outcome {
  const judged = judgeAnswers(answers);
  const complaints = [...judged.complaints];
  const codes: number[] = [];
  for (const process of processes) {
    codes.push(runExit(process));
    const { node, processState, reason } = process;
    if (processState === 'exited') {
      if (several || processes.length > 1) complaints.push(...badEnd(process));
      continue;
    }
    const because = reason === undefined ? '' : `: ${reason}`;
    const message = `${placeOf(process)}: the command ${runEnd(processState)}${because}`;
    complaints.push({ code: 'exec-failed', message, node });
  }
  if (processes.length === 0) return { exitCode: judged.exitCode, complaints };
  const clean = judged.exitCode === 0;
  if (processes.length === 1 && clean && !several) return { exitCode: codes[0] ?? 0, complaints };
  return { exitCode: clean && codes.every((code) => code === 0) ? 0 : PARTIAL, complaints };
}

function runEnd(state: string): string {
  if (state === 'failed') return 'did not start';
  return state === 'lost' ? 'is lost' : `is still ${state}; its node does not answer`;
}

function runExit(process: Process): number {
  if (process.processState === 'exited') return programExit(process);
  if (process.processState !== 'failed') return OWN_FAILURE;
  const reason = process.reason ?? '';
  if (/interpreter|EACCES|ENOEXEC|permission denied|exec format/i.test(reason)) return NOT_RUNNABLE;
  if (/ENOENT|no such file|not found/i.test(reason)) return NOT_FOUND;
  return OWN_FAILURE;
}

/** What `run` ends with when the order itself fails: its arguments' faults keep their codes. */
export function runFailureExit(exitCode: number): number {
  return [2, 4, 6, 7, 8, 124].includes(exitCode) ? exitCode : OWN_FAILURE;
}
