import type { Lab } from "../lab.ts";
import { ROUTER_IP, UNDERLAY_NETWORK } from "../record/address-plan.ts";
import { drawLab } from "./draw-lab.ts";
import { reportHosts } from "./lab-report.ts";

/** Draws a lab as it is now. */
export async function pictureOf(lab: Lab): Promise<string> {
  return drawLab({
    underlayNetwork: UNDERLAY_NETWORK.toString(),
    underlayMtu: lab.record.underlayMtu,
    routerIp: ROUTER_IP.toString(),
    etcdUrl: lab.etcd.isRunning ? lab.etcd.url : null,
    hosts: await reportHosts(lab),
  });
}
