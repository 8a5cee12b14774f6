// Tells in JSON what llhttp, the parser inside Node, makes of messages. Records and answers as in h1_tell.c.
'use strict';

const { HTTPParser, methods } = process.binding('http_parser');

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');
const pairs = (flat) => {
  const fields = [];
  for (let i = 0; i < flat.length; i += 2) fields.push({ name: hex(flat[i]), value: hex(flat[i + 1]) });
  return fields;
};

function tell(role, bytes) {
  const parser = new HTTPParser();
  const told = { head: false, done: false, upgrade: false, error: '' };
  const body = [];
  let flat = [];
  let url = '';
  parser.initialize(role === 'Q' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 1 << 20, 0);
  parser[HTTPParser.kOnHeaders] = (headers, part) => {
    flat = flat.concat(headers);
    url += part;
  };
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, headers, method, target, status, reason, upgrade) => {
    if (told.head) return 0; // what follows is another message
    if (headers) flat = flat.concat(headers);
    told.head = true;
    told.version = `${major}.${minor}`;
    told.method = method === undefined ? '' : hex(methods[method]);
    told.target = hex(target || url);
    told.status = status || 0;
    told.reason = hex(reason || '');
    told.upgrade = Boolean(upgrade);
    told.fields = pairs(flat);
    flat = [];
    return role === 'H' ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (part) => {
    if (!told.done) body.push(Buffer.from(part));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (!told.done) told.trailers = pairs(flat);
    told.done = true;
  };
  const result = parser.execute(bytes);
  if (result instanceof Error && !told.done) told.error = result.code;
  told.body = Buffer.concat(body).toString('hex');
  parser.close();
  return JSON.stringify(told);
}

const input = require('fs').readFileSync(0);
const lines = [];
for (let at = 0; at < input.length;) {
  const length = input.readUInt32LE(at + 1);
  lines.push(tell(String.fromCharCode(input[at]), input.subarray(at + 5, at + 5 + length)));
  at += 5 + length;
}
process.stdout.write(lines.join('\n') + '\n');
