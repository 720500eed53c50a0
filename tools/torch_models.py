"""Tiny models of transformers with random weights for tools/compare_modules: MODELS is {name: function that gives (model,
inputs by keyword)}. What the inputs' axes are follows from their names (axes)."""
import torch, transformers as tf
import torch_models_more

MODELS = {}
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
LM = dict(SMALL, vocab_size=64, max_position_embeddings=64)
GROUPED = dict(LM, num_key_value_heads=2, use_cache=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)
VISION = dict(SMALL, image_size=32, patch_size=8)
PAIR = dict(vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64, use_cache=False, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=2)
WAVE = dict(SMALL, vocab_size=20, conv_dim=(16, 16), conv_kernel=(10, 3), conv_stride=(5, 2), num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2, num_feat_extract_layers=2)


def add(name, make, feed):
    MODELS[name] = lambda: (make(), feed())


def text(mask=True):
    ids, seen = torch.randint(3, 60, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    seen[1, 6:] = 0
    return {"input_ids": ids, **({"attention_mask": seen} if mask else {})}


def pair():
    return dict(text(), decoder_input_ids=torch.randint(3, 60, (2, 5)))


def image(size=32, channels=3):
    return {"pixel_values": torch.randn(2, channels, size, size)}


def axes(name, past=False):
    """{axis: its name} of an input whose lengths may differ from run to run; past: the model has a cache."""
    if past and name in ("attention_mask", "encoder_hidden_states"):
        return {0: "batch", 1: "total"}
    if name.startswith("past_cross_"):
        return {0: "batch", 2: "total"}
    if name in ("input_ids", "attention_mask", "token_type_ids", "bbox", "position_ids"):
        return {0: "batch", 1: "sequence"}
    if name.startswith("decoder_"):
        return {0: "batch", 1: "target"}
    if name.startswith(("past_key_", "past_value_")):
        return {0: "batch", 2: "past"}
    return {0: "batch"}


def encoders():
    for name, model, config, more in (
            ("bert", "BertForSequenceClassification", "Bert", {}), ("roberta", "RobertaForTokenClassification", "Roberta", {}),
            ("xlm_roberta", "XLMRobertaForSequenceClassification", "XLMRoberta", {}), ("camembert", "CamembertModel", "Camembert", {}),
            ("xlm_roberta_xl", "XLMRobertaXLModel", "XLMRobertaXL", {}), ("electra", "ElectraForSequenceClassification", "Electra", dict(embedding_size=16)),
            ("albert", "AlbertForMaskedLM", "Albert", dict(embedding_size=16)), ("mpnet", "MPNetModel", "MPNet", {}),
            ("deberta", "DebertaModel", "Deberta", dict(relative_attention=True, pos_att_type=["p2c", "c2p"], max_relative_positions=16, pooler_hidden_size=32)),
            ("deberta_v2", "DebertaV2Model", "DebertaV2", dict(relative_attention=True, pos_att_type=["p2c", "c2p"], conv_kernel_size=3, conv_act="gelu", norm_rel_ebd="layer_norm", position_buckets=4, pooler_hidden_size=32)),
            ("deberta_v3", "DebertaV2ForSequenceClassification", "DebertaV2", dict(relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=4, norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False, pooler_hidden_size=32)),
            ("modernbert", "ModernBertForSequenceClassification", "ModernBert", dict(local_attention=4, global_attn_every_n_layers=2, pad_token_id=0, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2)),
            ("ernie", "ErnieModel", "Ernie", {}), ("roformer", "RoFormerModel", "RoFormer", dict(embedding_size=32)),
            ("mobilebert", "MobileBertModel", "MobileBert", dict(embedding_size=32, true_hidden_size=32, intra_bottleneck_size=32)),
            ("squeezebert", "SqueezeBertModel", "SqueezeBert", dict(embedding_size=32)), ("convbert", "ConvBertModel", "ConvBert", dict(embedding_size=32)),
            ("nystromformer", "NystromformerModel", "Nystromformer", dict(num_landmarks=9, segment_means_seq_len=9)),
            ("rembert", "RemBertModel", "RemBert", dict(input_embedding_size=16)), ("megatron_bert", "MegatronBertModel", "MegatronBert", {}),
            ("data2vec_text", "Data2VecTextModel", "Data2VecText", {}), ("ibert", "IBertModel", "IBert", {}), ("yoso", "YosoModel", "Yoso", dict(use_expectation=True)),
            ("esm", "EsmModel", "Esm", dict(pad_token_id=1, mask_token_id=4, position_embedding_type="rotary")), ("splinter", "SplinterModel", "Splinter", {}),
            ("big_bird", "BigBirdModel", "BigBird", dict(attention_type="original_full")), ("luke", "LukeModel", "Luke", dict(entity_vocab_size=8, entity_emb_size=16)),
            ("longformer", "LongformerModel", "Longformer", dict(attention_window=4)), ("roc_bert", "RoCBertModel", "RoCBert", dict(enable_pronunciation=False, enable_shape=False))):
        add(name, lambda model=model, config=config, more=more: getattr(tf, model)(getattr(tf, config + "Config")(**dict(LM, **more))), text)
    add("distilbert", lambda: tf.DistilBertForSequenceClassification(tf.DistilBertConfig(vocab_size=64, dim=32, n_heads=4, n_layers=2, hidden_dim=48, max_position_embeddings=64)), text)
    add("xlnet", lambda: tf.XLNetModel(tf.XLNetConfig(vocab_size=64, d_model=32, n_layer=2, n_head=4, d_inner=48, use_mems_eval=False)), text)
    add("xlm", lambda: tf.XLMModel(tf.XLMConfig(vocab_size=64, emb_dim=32, n_layers=2, n_heads=4, max_position_embeddings=64)), text)
    add("flaubert", lambda: tf.FlaubertModel(tf.FlaubertConfig(vocab_size=64, emb_dim=32, n_layers=2, n_heads=4, max_position_embeddings=64)), text)
    add("funnel", lambda: tf.FunnelModel(tf.FunnelConfig(vocab_size=64, d_model=32, block_sizes=[1, 1], n_head=4, d_head=8, d_inner=48)), text)
    add("fnet", lambda: tf.FNetModel(tf.FNetConfig(**{k: v for k, v in LM.items() if k != "num_attention_heads"})), lambda: text(False))
    add("canine", lambda: tf.CanineModel(tf.CanineConfig(**SMALL, max_position_embeddings=64, num_hash_buckets=32, local_transformer_stride=4, downsampling_rate=2, upsampling_kernel_size=2)), text)
    boxes = lambda: dict(text(), bbox=torch.randint(0, 60, (2, 9, 4)).sort(-1).values)
    add("layoutlm", lambda: tf.LayoutLMForTokenClassification(tf.LayoutLMConfig(**LM, max_2d_position_embeddings=64)), boxes)
    add("lilt", lambda: tf.LiltModel(tf.LiltConfig(**dict(LM, hidden_size=48), max_2d_position_embeddings=64, channel_shrink_ratio=2)), boxes)
    add("layoutlmv3", lambda: tf.LayoutLMv3Model(tf.LayoutLMv3Config(**LM, max_2d_position_embeddings=64, coordinate_size=5, shape_size=6, input_size=32, patch_size=8)), lambda: dict(boxes(), **image()))


def decoders():
    lm = dict(vocab_size=64, use_cache=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    gpt = dict(lm, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    for name, make in {
            "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(**gpt)), "gptj": lambda: tf.GPTJForCausalLM(tf.GPTJConfig(**gpt, rotary_dim=4)),
            "codegen": lambda: tf.CodeGenForCausalLM(tf.CodeGenConfig(**gpt, rotary_dim=4)), "gpt_bigcode": lambda: tf.GPTBigCodeForCausalLM(tf.GPTBigCodeConfig(**gpt)),
            "openai_gpt": lambda: tf.OpenAIGPTLMHeadModel(tf.OpenAIGPTConfig(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=4)),
            "gpt_neo": lambda: tf.GPTNeoForCausalLM(tf.GPTNeoConfig(**lm, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=4, max_position_embeddings=64)),
            "gpt_neox": lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**LM, use_cache=False)),
            "opt": lambda: tf.OPTForCausalLM(tf.OPTConfig(**lm, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=48, max_position_embeddings=64, word_embed_proj_dim=32)),
            "bloom": lambda: tf.BloomForCausalLM(tf.BloomConfig(**lm, hidden_size=32, n_layer=2, n_head=4)),
            "mpt": lambda: tf.MptForCausalLM(tf.MptConfig(**lm, d_model=32, n_heads=4, n_layers=2, max_seq_len=64, expansion_ratio=2)),
            "falcon": lambda: tf.FalconForCausalLM(tf.FalconConfig(**lm, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)),
            "falcon_alibi": lambda: tf.FalconForCausalLM(tf.FalconConfig(**lm, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True, multi_query=False)),
            "biogpt": lambda: tf.BioGptForCausalLM(tf.BioGptConfig(**LM, use_cache=False)), "xglm": lambda: tf.XGLMForCausalLM(tf.XGLMConfig(**lm, d_model=32, ffn_dim=48, num_layers=2, attention_heads=4)),
            "mamba": lambda: tf.MambaModel(tf.MambaConfig(**lm, hidden_size=32, num_hidden_layers=2, state_size=4)),
            "rwkv": lambda: tf.RwkvModel(tf.RwkvConfig(**lm, hidden_size=32, attention_hidden_size=32, num_hidden_layers=2))}.items():
        add(name, make, lambda name=name: text(name not in ("mamba", "rwkv")))
    for name, stem, more in (
            ("llama", "Llama", {}), ("mistral", "Mistral", dict(sliding_window=4)), ("qwen2", "Qwen2", {}), ("qwen3", "Qwen3", dict(head_dim=8)), ("gemma", "Gemma", dict(head_dim=8)),
            ("gemma2", "Gemma2", dict(head_dim=8, sliding_window=4)), ("phi", "Phi", {}), ("phi3", "Phi3", {}), ("mixtral", "Mixtral", dict(num_local_experts=4)), ("stablelm", "StableLm", {}),
            ("starcoder2", "Starcoder2", {}), ("cohere", "Cohere", {}), ("cohere2", "Cohere2", dict(sliding_window=4)), ("olmo", "Olmo", {}), ("olmo2", "Olmo2", {}), ("granite", "Granite", {}), ("smollm3", "SmolLM3", {}),
            ("persimmon", "Persimmon", {}), ("nemotron", "Nemotron", {}), ("qwen2_moe", "Qwen2Moe", dict(num_experts=4, moe_intermediate_size=16, shared_expert_intermediate_size=16)),
            ("helium", "Helium", dict(head_dim=8)), ("glm", "Glm", dict(head_dim=8)), ("ernie4_5", "Ernie4_5", dict(head_dim=8)), ("gpt_oss", "GptOss", dict(head_dim=8, num_local_experts=4, sliding_window=4)),
            ("deepseek_v3", "DeepseekV3", dict(num_key_value_heads=4, n_routed_experts=4, n_group=2, topk_group=1, num_experts_per_tok=2, kv_lora_rank=8, q_lora_rank=8, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8, moe_intermediate_size=16))):
        add(name, lambda stem=stem, more=more: getattr(tf, stem + "ForCausalLM")(getattr(tf, stem + "Config")(**dict(GROUPED, **more))), text)
    add("gemma3", lambda: tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**dict(GROUPED, head_dim=8, sliding_window=4))), text)
    for name, kv, make in (("gpt2", 4, MODELS["gpt2"]), ("llama", 2, MODELS["llama"]), ("qwen3", 2, MODELS["qwen3"]), ("gemma3", 2, MODELS["gemma3"]), ("gpt_neox", 4, MODELS["gpt_neox"]), ("phi", 2, MODELS["phi"])):
        MODELS[name + "_past"] = lambda make=make, kv=kv: with_past(make()[0], kv)


def with_past(model, kv):
    """A step of a decoder with its cache: the new tokens, the mask of all, a key and a value a layer."""
    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, return_dict=True, **past):
            cache = tf.DynamicCache()
            for layer in range(2):
                cache.update(past[f"past_key_{layer}"], past[f"past_value_{layer}"], layer)
            y = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True)
            return (y.logits,) + tuple(t for layer in y.past_key_values.layers for t in (layer.keys, layer.values))
    seen = torch.ones(2, 7, dtype=torch.long)
    seen[1, :2] = 0
    return Step(), {"input_ids": torch.randint(3, 60, (2, 3)), "attention_mask": seen,
                    **{f"past_{what}_{layer}": torch.randn(2, kv, 4, 8) for layer in range(2) for what in ("key", "value")}}


def pairs():
    t5 = dict(vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    add("t5_encoder", lambda: tf.T5EncoderModel(tf.T5Config(**t5)), text)
    add("t5", lambda: tf.T5ForConditionalGeneration(tf.T5Config(**t5, use_cache=False)), pair)
    add("mt5_gated", lambda: tf.MT5ForConditionalGeneration(tf.MT5Config(**t5, use_cache=False)), pair)
    add("umt5", lambda: tf.UMT5ForConditionalGeneration(tf.UMT5Config(**t5, use_cache=False)), pair)
    add("long_t5", lambda: tf.LongT5ForConditionalGeneration(tf.LongT5Config(**t5, use_cache=False, local_radius=3)), pair)
    add("switch_t5", lambda: tf.SwitchTransformersForConditionalGeneration(tf.SwitchTransformersConfig(**t5, use_cache=False, num_experts=2)), pair)
    for name, stem, what in (("bart", "Bart", "ForConditionalGeneration"), ("mbart", "MBart", "ForConditionalGeneration"), ("marian", "Marian", "MTModel"), ("pegasus", "Pegasus", "ForConditionalGeneration"),
                             ("m2m_100", "M2M100", "ForConditionalGeneration"), ("blenderbot", "Blenderbot", "ForConditionalGeneration"), ("plbart", "PLBart", "ForConditionalGeneration"), ("bigbird_pegasus", "BigBirdPegasus", "ForConditionalGeneration")):
        more = dict(attention_type="original_full") if name == "bigbird_pegasus" else {}
        add(name, lambda stem=stem, what=what, more=more: getattr(tf, stem + what)(getattr(tf, stem + "Config")(**PAIR, **more)), pair)
    add("bart_classification", lambda: tf.BartModel(tf.BartConfig(**PAIR)).encoder, text)
    add("led", lambda: tf.LEDForConditionalGeneration(tf.LEDConfig(**{k: v for k, v in PAIR.items() if k != "max_position_embeddings"}, attention_window=4, max_encoder_position_embeddings=64, max_decoder_position_embeddings=64)), pair)
    add("prophetnet", lambda: tf.ProphetNetForConditionalGeneration(tf.ProphetNetConfig(vocab_size=64, hidden_size=32, encoder_ffn_dim=48, decoder_ffn_dim=48, num_encoder_layers=2, num_decoder_layers=2, num_encoder_attention_heads=4, num_decoder_attention_heads=4, max_position_embeddings=64, use_cache=False)), pair)
    add("trocr", lambda: tf.TrOCRForCausalLM(tf.TrOCRConfig(vocab_size=64, d_model=32, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=48, max_position_embeddings=64, use_cache=False)), text)


def sounds():
    wave = lambda: {"input_values": torch.randn(2, 400)}
    for name, make in {
            "wav2vec2": lambda: tf.Wav2Vec2ForCTC(tf.Wav2Vec2Config(**WAVE)),
            "wav2vec2_large": lambda: tf.Wav2Vec2Model(tf.Wav2Vec2Config(**WAVE, feat_extract_norm="layer", do_stable_layer_norm=True)),
            "wav2vec2_conformer": lambda: tf.Wav2Vec2ConformerModel(tf.Wav2Vec2ConformerConfig(**WAVE, position_embeddings_type="rotary", conv_depthwise_kernel_size=3)),
            "hubert": lambda: tf.HubertModel(tf.HubertConfig(**WAVE)), "wavlm": lambda: tf.WavLMModel(tf.WavLMConfig(**WAVE, num_buckets=8, max_bucket_distance=16)),
            "unispeech": lambda: tf.UniSpeechModel(tf.UniSpeechConfig(**WAVE, num_codevectors_per_group=4, codevector_dim=8)), "data2vec_audio": lambda: tf.Data2VecAudioModel(tf.Data2VecAudioConfig(**{**WAVE, "num_conv_pos_embeddings": 2}, conv_pos_kernel_size=3)),
            "sew": lambda: tf.SEWModel(tf.SEWConfig(**WAVE, squeeze_factor=2)), "sew_d": lambda: tf.SEWDModel(tf.SEWDConfig(**WAVE, squeeze_factor=2, position_buckets=4, max_position_embeddings=64))}.items():
        add(name, make, wave)
    whisper = lambda: tf.WhisperConfig(**{**PAIR, "decoder_start_token_id": 1, "max_position_embeddings": 64}, num_mel_bins=8, max_source_positions=20, max_target_positions=20, suppress_tokens=None, begin_suppress_tokens=None)
    mel = lambda: torch.randn(2, 8, 40)
    add("whisper", lambda: tf.WhisperForConditionalGeneration(whisper()), lambda: {"input_features": mel(), "decoder_input_ids": torch.randint(3, 60, (2, 5))})
    add("whisper_encoder", lambda: tf.WhisperModel(whisper()).encoder, lambda: {"input_features": mel()})
    add("whisper_decoder", lambda: tf.WhisperModel(whisper()).decoder, lambda: {"input_ids": torch.randint(3, 60, (2, 5)), "encoder_hidden_states": torch.randn(2, 20, 32)})
    add("whisper_audio", lambda: tf.WhisperForAudioClassification(whisper()), lambda: {"input_features": mel()})
    add("speech_to_text", lambda: tf.Speech2TextForConditionalGeneration(tf.Speech2TextConfig(**{k: v for k, v in PAIR.items() if k != "max_position_embeddings"}, max_source_positions=40, max_target_positions=20, input_feat_per_channel=8, conv_channels=16)),
        lambda: {"input_features": torch.randn(2, 40, 8), "decoder_input_ids": torch.randint(3, 60, (2, 5))})
    add("audio_transformer", lambda: tf.ASTModel(tf.ASTConfig(**SMALL, patch_size=4, max_length=16, num_mel_bins=8, frequency_stride=4, time_stride=4)), lambda: {"input_values": torch.randn(2, 16, 8)})
    add("moonshine", lambda: tf.MoonshineModel(tf.MoonshineConfig(vocab_size=64, hidden_size=32, intermediate_size=48, encoder_num_hidden_layers=2, decoder_num_hidden_layers=2, encoder_num_attention_heads=4, decoder_num_attention_heads=4, use_cache=False)),
        lambda: {"input_values": torch.randn(2, 2000), "decoder_input_ids": torch.randint(3, 60, (2, 5))})


def images():
    for name, make in {
            "vit": lambda: tf.ViTForImageClassification(tf.ViTConfig(**VISION, num_labels=5)), "deit": lambda: tf.DeiTModel(tf.DeiTConfig(**VISION)),
            "beit": lambda: tf.BeitModel(tf.BeitConfig(**VISION, use_relative_position_bias=True)), "data2vec_vision": lambda: tf.Data2VecVisionModel(tf.Data2VecVisionConfig(**VISION, use_relative_position_bias=True)),
            "dinov2": lambda: tf.Dinov2Model(tf.Dinov2Config(**VISION)), "dinov2_registers": lambda: tf.Dinov2WithRegistersModel(tf.Dinov2WithRegistersConfig(**VISION)), "dinov3": lambda: tf.DINOv3ViTModel(tf.DINOv3ViTConfig(**VISION)),
            "swin": lambda: tf.SwinModel(tf.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4)),
            "swinv2": lambda: tf.Swinv2Model(tf.Swinv2Config(image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4)),
            "donut": lambda: tf.DonutSwinModel(tf.DonutSwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4)),
            "swin2sr": lambda: tf.Swin2SRForImageSuperResolution(tf.Swin2SRConfig(image_size=16, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4, upscale=2)),
            "convnext": lambda: tf.ConvNextForImageClassification(tf.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], num_labels=5)),
            "convnextv2": lambda: tf.ConvNextV2ForImageClassification(tf.ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], num_labels=5)),
            "resnet": lambda: tf.ResNetModel(tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")),
            "resnet_bottleneck": lambda: tf.ResNetForImageClassification(tf.ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 2])),
            "regnet": lambda: tf.RegNetModel(tf.RegNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], groups_width=4)),
            "mobilenet_v1": lambda: tf.MobileNetV1Model(tf.MobileNetV1Config(depth_multiplier=0.25, image_size=32, min_depth=8)),
            "mobilenet_v2": lambda: tf.MobileNetV2Model(tf.MobileNetV2Config(depth_multiplier=0.35, image_size=32)),
            "efficientnet": lambda: tf.EfficientNetModel(tf.EfficientNetConfig(image_size=32, width_coefficient=0.25, depth_coefficient=0.3, hidden_dim=320)),
            "mobilevit": lambda: tf.MobileViTModel(tf.MobileViTConfig(image_size=32, hidden_sizes=[16, 16, 16], neck_hidden_sizes=[4, 4, 8, 8, 16, 16, 16], num_attention_heads=2)),
            "mobilevitv2": lambda: tf.MobileViTV2Model(tf.MobileViTV2Config(image_size=64, width_multiplier=0.25)),
            "levit": lambda: tf.LevitModel(tf.LevitConfig(image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=[2, 3, 4], depths=[1, 1, 1], key_dim=[8, 8, 8])),
            "poolformer": lambda: tf.PoolFormerModel(tf.PoolFormerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1])),
            "pvt": lambda: tf.PvtModel(tf.PvtConfig(image_size=32, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2])), "focalnet": lambda: tf.FocalNetModel(tf.FocalNetConfig(image_size=32, embed_dim=8, depths=[1, 1], hidden_sizes=[8, 16])),
            "segformer": lambda: tf.SegformerForSemanticSegmentation(tf.SegformerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16)),
            "upernet": lambda: tf.UperNetForSemanticSegmentation(tf.UperNetConfig(backbone_config=tf.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"]), hidden_size=16, auxiliary_in_channels=24, auxiliary_channels=8, num_labels=5)),
            "dpt": lambda: tf.DPTForDepthEstimation(tf.DPTConfig(**{**VISION, "num_hidden_layers": 4}, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16)),
            "glpn": lambda: tf.GLPNForDepthEstimation(tf.GLPNConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16)),
            "yolos": lambda: tf.YolosForObjectDetection(tf.YolosConfig(**dict(VISION, image_size=[32, 32]), num_detection_tokens=4)),
            "detr": lambda: tf.DetrForObjectDetection(tf.DetrConfig(**detection(), num_queries=5)),
            "table_transformer": lambda: tf.TableTransformerForObjectDetection(tf.TableTransformerConfig(**detection(), num_queries=5)),
            "conditional_detr": lambda: tf.ConditionalDetrForObjectDetection(tf.ConditionalDetrConfig(**detection(), num_queries=5)),
            "rt_detr": lambda: tf.RTDetrForObjectDetection(rt_detr()),
            "vit_msn": lambda: tf.ViTMSNModel(tf.ViTMSNConfig(**VISION)), "ijepa": lambda: tf.IJepaModel(tf.IJepaConfig(**VISION)),
            "hiera": lambda: tf.HieraModel(tf.HieraConfig(image_size=[64, 64], embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2])),
            "siglip_vision": lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**VISION)), "clip_vision": lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**VISION)),
            "blip_vision": lambda: tf.BlipVisionModel(tf.BlipVisionConfig(**VISION)),
            "sam_vision": lambda: tf.SamVisionModel(tf.SamVisionConfig(hidden_size=32, output_channels=16, num_hidden_layers=2, num_attention_heads=4, image_size=64, patch_size=8, window_size=3, global_attn_indexes=[1], mlp_dim=48))}.items():
        add(name, make, lambda name=name: image(64 if name in ("levit", "hiera", "mobilevitv2", "sam_vision", "detr", "table_transformer", "conditional_detr", "rt_detr") else 16 if name == "swin2sr" else 32))
    both = dict(text_config=dict(LM, eos_token_id=2), vision_config=VISION, projection_dim=16)
    add("clip", lambda: tf.CLIPModel(tf.CLIPConfig(**both)), lambda: dict(text(), **image()))
    add("clip_text", lambda: tf.CLIPTextModel(tf.CLIPTextConfig(**LM, eos_token_id=2)), text)
    add("siglip", lambda: tf.SiglipModel(tf.SiglipConfig(text_config=dict(LM, projection_size=32), vision_config=VISION)), lambda: dict(text(False), **image()))
    add("vilt", lambda: tf.ViltModel(tf.ViltConfig(**LM, image_size=32, patch_size=8)), lambda: dict(text(), **image()))
    add("patchtst", lambda: tf.PatchTSTForPrediction(tf.PatchTSTConfig(num_input_channels=2, context_length=16, patch_length=4, patch_stride=4, d_model=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24, prediction_length=4)), lambda: {"past_values": torch.randn(2, 16, 2)})
    add("timeseries", lambda: tf.PatchTSMixerForPrediction(tf.PatchTSMixerConfig(context_length=16, patch_length=4, patch_stride=4, num_input_channels=2, d_model=8, num_layers=2, prediction_length=4)), lambda: {"past_values": torch.randn(2, 16, 2)})
    add("decision", lambda: tf.DecisionTransformerModel(tf.DecisionTransformerConfig(state_dim=3, act_dim=2, hidden_size=32, max_ep_len=16, n_layer=2, n_head=4, n_positions=64)),
        lambda: {"states": torch.randn(2, 4, 3), "actions": torch.randn(2, 4, 2), "rewards": torch.randn(2, 4, 1), "returns_to_go": torch.randn(2, 4, 1), "timesteps": torch.randint(0, 9, (2, 4)), "attention_mask": torch.ones(2, 4)})


def detection():
    backbone = tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"])
    return dict(use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
                encoder_ffn_dim=48, decoder_ffn_dim=48, num_labels=4)


def rt_detr():
    backbone = tf.RTDetrResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    return tf.RTDetrConfig(backbone_config=backbone, d_model=32, encoder_hidden_dim=32, encoder_in_channels=[8, 16, 16], encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
                           encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=5, num_labels=4, decoder_in_channels=[32, 32, 32], num_feature_levels=3, eval_size=None)


for group in (encoders, decoders, pairs, sounds, images):
    group()
torch_models_more.groups(MODELS, add, text, image, WAVE)
