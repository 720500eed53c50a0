/* A page with the graph as text in it and a small program that draws it: layers by longest path, drag to move, wheel to
 * zoom, a box's title shows its name. */
#include "html.h"

#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hasten: graph</title>\n<style>\n"
    "body{margin:0;font:12px sans-serif;background:#fafafa}svg{width:100vw;height:100vh;cursor:grab}\n"
    "rect{fill:#fff;stroke:#456;rx:4}path{fill:none;stroke:#9ab}text{text-anchor:middle;fill:#123}\n"
    "</style></head><body><svg><g id=\"all\"></g></svg>\n<script id=\"dot\" type=\"text/plain\">\n";

static const char tail[] =
    "</script>\n<script>\n"
    "const nodes=new Map(),edges=[];\n"
    "for(const line of document.getElementById('dot').textContent.split('\\n')){\n"
    "  let m=line.match(/^\\s*(\\w+)\\s*->\\s*(\\w+)/);\n"
    "  if(m){edges.push([m[1],m[2]]);continue}\n"
    "  m=line.match(/^\\s*(\\w+)\\s*\\[.*label=\"((?:[^\"\\\\]|\\\\.)*)\"/);\n"
    "  if(m&&m[1]!='node'&&m[1]!='edge'&&m[1]!='graph')\n"
    "    nodes.set(m[1],{lines:m[2].split('\\\\n').map(t=>t.replace(/\\\\(.)/g,'$1')),in:[],layer:0});\n"
    "}\n"
    "for(const[a,b]of edges)if(nodes.has(a)&&nodes.has(b))nodes.get(b).in.push(a);\n"
    "for(let round=0,moved=true;moved&&round<nodes.size+1;round++){moved=false;\n"
    "  for(const n of nodes.values())for(const a of n.in){const l=nodes.get(a).layer+1;\n"
    "    if(l>n.layer&&l<=nodes.size){n.layer=l;moved=true}}}\n"
    "const layers=[];for(const n of nodes.values())(layers[n.layer]=layers[n.layer]||[]).push(n);\n"
    "const W=190,H=74,ns='http://www.w3.org/2000/svg',all=document.getElementById('all');\n"
    "layers.forEach((row,y)=>{row.forEach(n=>{const xs=n.in.map(a=>nodes.get(a).x).filter(x=>x!==undefined);\n"
    "    n.want=xs.length?xs.reduce((a,b)=>a+b)/xs.length:0});\n"
    "  row.sort((a,b)=>a.want-b.want);let at=-Infinity;\n"
    "  row.forEach(n=>{n.x=Math.max(n.want,at+W);at=n.x;n.y=y*H});\n"
    "  const shift=row.reduce((s,n)=>s+n.want-n.x,0)/row.length;row.forEach(n=>n.x+=shift)});\n"
    "function make(tag,attributes,text){const e=document.createElementNS(ns,tag);\n"
    "  for(const k in attributes)e.setAttribute(k,attributes[k]);if(text)e.textContent=text;return "
    "all.appendChild(e)}\n"
    "for(const n of nodes.values())for(const a of n.in){const p=nodes.get(a);\n"
    "  make('path',{d:`M${p.x},${p.y+22} C${p.x},${p.y+H/2} ${n.x},${n.y-H/2} ${n.x},${n.y-22}`})}\n"
    "for(const n of nodes.values()){const r=make('rect',{x:n.x-W/2+5,y:n.y-22,width:W-10,height:44});\n"
    "  const t=document.createElementNS(ns,'title');t.textContent=n.lines.join('\\n');r.appendChild(t);\n"
    "  n.lines.slice(0,3).forEach((l,i)=>make('text',{x:n.x,y:n.y-8+i*14},l.length>28?l.slice(0,27)+'\\u2026':l))}\n"
    "let view={x:innerWidth/2,y:40,k:1},from=null;const svg=document.querySelector('svg');\n"
    "const draw=()=>all.setAttribute('transform',`translate(${view.x},${view.y}) scale(${view.k})`);draw();\n"
    "svg.onpointerdown=e=>{from=[e.clientX-view.x,e.clientY-view.y]};onpointerup=()=>{from=null};\n"
    "svg.onpointermove=e=>{if(from){view.x=e.clientX-from[0];view.y=e.clientY-from[1];draw()}};\n"
    "svg.onwheel=e=>{e.preventDefault();const f=Math.exp(-e.deltaY/500);view.x=e.clientX-(e.clientX-view.x)*f;\n"
    "  view.y=e.clientY-(e.clientY-view.y)*f;view.k*=f;draw()};\n"
    "</script></body></html>\n";

void html_print_graph(FILE *to, const char *dot) {
    fputs(head, to);
    /* Names come from the file: "</script" must not end the element. */
    for (const char *p = dot; *p; p++) {
        if (p[0] == '<')
            fputs("\xe2\x80\xb9", to);
        else
            fputc(*p, to);
    }
    fputs(tail, to);
}
