/** A path or an abstract name (`@name`) as struct sockaddr_un (unix(7)). Pure. */

const AF_UNIX = 1;
const ADDRESS_BYTES = 110;

/** Undefined for what is neither, or is longer than 107 bytes. */
export function socketAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (!/^[/@]/.test(path) || name.length + 2 > ADDRESS_BYTES - 1) return undefined;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, name, ...(path.startsWith('@') ? [] : [Buffer.alloc(1)])]);
}
