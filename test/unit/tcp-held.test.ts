import { expect } from "chai";

import { keyOf } from "../../src/kinds/tcp/connections.js";
import { parseLeft, recordOf } from "../../src/kinds/tcp/held.js";
import { endpointOf } from "../../src/proc/tcp.js";

const V4 = Buffer.from("0200" + "1f90" + "c0000207" + "0000000000000000", "hex");
const V6 = Buffer.from("0a00" + "0050" + "00000000" + "fe80000000000000000000000000abcd" + "00000000", "hex");
/** One of IPv4 as a socket of IPv6 has it. */
const MAPPED = Buffer.from("0a00" + "1f90" + "00000000" + "00000000000000000000ffffc0000207" + "00000000", "hex");

describe("connections that are held back", () => {
  it("have a record for the module", () => {
    const key = keyOf(endpointOf(V4), "c0000209:443");
    expect(Buffer.from(recordOf(key)).toString("hex")).to.equal(
      "c0000207" + "00".repeat(12) + "c0000209" + "00".repeat(12) + "1f90" + "01bb" + "0200" + "0000",
    );
    expect(recordOf(keyOf(endpointOf(MAPPED), "c0000209:443"))).to.deep.equal(recordOf(key));
    const six = Buffer.from(recordOf(keyOf(endpointOf(V6), endpointOf(V6)))).toString("hex");
    expect(six).to.equal("fe80000000000000000000000000abcd".repeat(2) + "0050".repeat(2) + "0a00" + "0000");
  });

  it("are listed by the module", () => {
    const left = parseLeft(
      [
        "tcp 192.0.2.7:8080 192.0.2.9:443 left 42",
        "tcp 192.0.2.7:8081 192.0.2.9:443 open 42",
        "tcp [fe80::abcd]:80 [::1]:65535 left 0",
        "",
      ].join("\n"),
    );
    expect([...left]).to.deep.equal([keyOf(endpointOf(V4), "c0000209:443"), keyOf(endpointOf(V6), `${"0".repeat(31)}1:65535`)]);
    expect(parseLeft("").size).to.equal(0);
  });
});
